/* What a simulator of spikes does most, and nothing else: rows of 256 weights of one byte are added, one for each spike.
   Rows are read in an order that is given, so that they come from wherever the table of rows fits into, and asked for
   ahead, as the kernel does. */

#include <stdint.h>

enum { VECTORS = 4, AHEAD = 8 };

typedef uint8_t vector __attribute__((vector_size(64), aligned(1), may_alias));
typedef struct {
    vector parts[VECTORS];
} row;

/* The order has AHEAD rows more than are added. */
void add_rows(const row *rows, const int32_t *order, int64_t count, row *sums) {
    row sum = {0};
    for (int64_t i = 0; i < count; i++) {
        const row *given = &rows[order[i]], *ahead = &rows[order[i + AHEAD]];
        for (int k = 0; k < VECTORS; k++) {
            __builtin_prefetch(&ahead->parts[k]);
            sum.parts[k] += given->parts[k];
        }
    }
    *sums = sum;
}
