/* What a simulator of spikes does most, and nothing else: rows of 64 weights of one byte are added, one for each spike.
   Rows are read in an order that is given, so that they come from wherever the table of rows fits into. */

#include <stdint.h>

typedef uint8_t row __attribute__((vector_size(64), aligned(1), may_alias));

void add_rows(const row *rows, const int32_t *order, int64_t count, row *sums) {
    row even = {0}, odd = {0};
    for (int64_t i = 0; i + 1 < count; i += 2) {
        even += rows[order[i]];
        odd += rows[order[i + 1]];
    }
    *sums = even + odd;
}
