/* Rows of weights, added up. */
#ifndef SPIKEC_SUMS_H
#define SPIKEC_SUMS_H

#include "vectors.h"

enum { BIAS = 128, ROWS_IN_16_BITS = 256, ROWS_AT_ONCE = 4, ROWS_AHEAD = 8, MOST_BLOCK = 4 * VECTOR_BYTES, MOST_PLANES = 8 };

/* Adds up to 256 rows of bytes, times 2^shift, to sums in 32 bits, or to offset: bytes[2 i] are weights 0..,
 * bytes[2 i + 1] those of the second half. */
INLINE void widen(halves all, halves odd, int shift, int32_t offset, int is_first, int32_t *sums) {
    enum { HALF = VECTOR_BYTES / 2 };
    halves even = all - (odd << 8);
    for (int i = 0; i < HALF; i++) sums[i] = (is_first ? offset : sums[i]) + (even[i] << shift);
    for (int i = 0; i < HALF; i++) sums[HALF + i] = (is_first ? offset : sums[HALF + i]) + (odd[i] << shift);
}

/* Rows that are added up, of a block. */
struct added {
    halves all[4], odd[4];
    int held, is_first;
};

INLINE void widen_added(struct added *added, int vectors, int shift, int32_t offset, int32_t *sums) {
    const halves none = {0};
    if (vectors == 1) added->all[0] += added->all[1], added->odd[0] += added->odd[1];
#pragma GCC unroll 4
    for (int k = 0; k < vectors; k++)
        widen(added->all[k], added->odd[k], shift, offset, added->is_first, sums + k * VECTOR_BYTES);
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) added->all[k] = added->odd[k] = none;
    added->held = added->is_first = 0;
}

/* A single vector's rows are added in turn to two sums, because an addition takes longer than the next row's; rows of four
 * vectors are in the second cache. */
INLINE void add_four_rows(struct added *added, const uint8_t *rows, const uint32_t *index, int vectors) {
    int turns = vectors == 1 ? 2 : 1;
#pragma GCC unroll 4
    for (int r = 0; r < ROWS_AT_ONCE; r++) {
        const uint8_t *row = rows + (size_t)index[r] * (vectors * VECTOR_BYTES);
        const uint8_t *ahead = rows + (size_t)index[r + ROWS_AHEAD] * (vectors * VECTOR_BYTES);
#pragma GCC unroll 4
        for (int k = 0; k < vectors; k++) {
            if (vectors == 4) __builtin_prefetch(ahead + k * VECTOR_BYTES);
            halves both = kept(load_halves(row + k * VECTOR_BYTES));
            added->all[k + r % turns] += both;
            added->odd[k + r % turns] += both >> 8;
        }
    }
}

/* So many rows as at once, at least. */
static int in_whole(int rows) { return (rows + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE * ROWS_AT_ONCE; }

/* The rows of all planes, each of them twice as often as those of the plane beneath, from the highest plane on. */
INLINE int32_t rows_of_planes(const int *met, int planes) {
    int32_t rows = 0;
    for (int plane = 0; plane < planes; plane++) rows += met[plane] << plane;
    return rows;
}

/* A byte is w + 128, so that sums need no sign: all adds even + 256 odd modulo 2^16, odd what is above. Planes' rows follow
 * each other from the highest plane on, and before those of the next are added, what is added is doubled. */
INLINE void sum_bytes(
    const uint8_t *rows, const uint32_t *index, const int *met, int planes, int shift, int vectors, int32_t *sums
) {
    int32_t offset = -BIAS * (rows_of_planes(met, planes) << shift);
    struct added added = {.is_first = 1};
    for (int plane = planes - 1; plane >= 0; plane--) {
        for (int left = in_whole(met[plane]), now; left; left -= now, added.held += now) {
            if (added.held == ROWS_IN_16_BITS) widen_added(&added, vectors, plane + shift, offset, sums);
            now = ROWS_IN_16_BITS - added.held < left ? ROWS_IN_16_BITS - added.held : left;
            for (const uint32_t *last = index + now; index < last; index += ROWS_AT_ONCE)
                add_four_rows(&added, rows, index, vectors);
        }
        if (!plane) break;
        if (2 * added.held > ROWS_IN_16_BITS) widen_added(&added, vectors, plane + shift, offset, sums);
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++) added.all[k] += added.all[k], added.odd[k] += added.odd[k];
        added.held *= 2;
    }
    widen_added(&added, vectors, shift, offset, sums);
}

static void sum_words(
    const int32_t *rows, const uint32_t *index, const int *met, int planes, int shift, int block, int32_t *sums
) {
    memset(sums, 0, (size_t)block * sizeof *sums);
    for (int plane = planes - 1; plane >= 0; plane--) {
        for (int k = 0; k < block; k++) sums[k] *= 2;
        for (int i = 0; i < met[plane]; i++) {
            const int32_t *row = rows + (size_t)index[i] * block;
            for (int k = 0; k < block; k++) sums[k] += row[k];
        }
        index += in_whole(met[plane]);
    }
    for (int k = 0; shift && k < block; k++) sums[k] <<= shift;
}

#endif
