/* Dense products: rows of messages, one for each (step, place), times blocks of weights. */
#ifndef SPIKEC_PRODUCTS_H
#define SPIKEC_PRODUCTS_H

#include "rows.h"

/* Rows that share each vector of weights while it is in a register, with one, two or all vectors of outputs. */
#if defined(__AVX512BW__) || (defined(USES_NEON) && defined(__ARM_FEATURE_DOTPROD))
enum { ROWS_BY_ONE = 8, ROWS_BY_TWO = 8, ROWS_BY_ALL = 5, MOST_ROWS = 8 };
#else
enum { ROWS_BY_ONE = 8, ROWS_BY_TWO = 4, ROWS_BY_ALL = 4, MOST_ROWS = 8 };
#endif

/* A product: quads of four bytes of messages, at these offsets from where a row begins, by quads of weights. */
struct product {
    const uint8_t **messages;
    const int32_t *offsets;
    const uint8_t *weights;
    int quads, at_once, in_bytes;
};

/* Adds a few rows times a block of weights to sums (rows, vectors). */
INLINE void multiply_rows(const struct product *p, int first, int rows, int vectors, int in_bytes, words *sums) {
    words sum[MOST_ROWS][DENSE_VECTORS] = {0};
    const uint8_t *weights = p->weights, *const *messages = p->messages + first;
    int adds_in_16_bits = in_bytes && ADDS_IN_16_BITS, at_once = adds_in_16_bits ? p->at_once : p->quads;
    for (int start = 0; start < p->quads; start += at_once) {
        int last = p->quads - start < at_once ? p->quads : start + at_once;
        words part[MOST_ROWS][DENSE_VECTORS] = {0};
        for (int k = start; k < last; k++, weights += vectors * VECTOR_BYTES) {
#pragma GCC unroll 16
            for (int r = 0; r < rows; r++) {
                const uint8_t *four = messages[r] + p->offsets[k];
#pragma GCC unroll 4
                for (int v = 0; v < vectors; v++) {
                    const uint8_t *own = weights + v * VECTOR_BYTES;
                    part[r][v] = in_bytes ? add_quads(part[r][v], four, (const int8_t *)own)
                                          : add_pairs(part[r][v], (const int16_t *)four, (const int16_t *)own);
                }
            }
        }
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++)
                sum[r][v] = adds_in_16_bits ? widened(sum[r][v], part[r][v]) : part[r][v];
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) sums[r * vectors + v] = sum[r][v];
}

/* So many vectors of outputs; returns how many rows it took from the first on. */
static int multiply(const struct product *p, int first, int vectors, words *sums) {
    if (vectors == 1) {
        if (p->in_bytes)
            multiply_rows(p, first, ROWS_BY_ONE, 1, 1, sums);
        else
            multiply_rows(p, first, ROWS_BY_ONE, 1, 0, sums);
        return ROWS_BY_ONE;
    }
    if (vectors == 2) {
        if (p->in_bytes)
            multiply_rows(p, first, ROWS_BY_TWO, 2, 1, sums);
        else
            multiply_rows(p, first, ROWS_BY_TWO, 2, 0, sums);
        return ROWS_BY_TWO;
    }
    if (p->in_bytes)
        multiply_rows(p, first, ROWS_BY_ALL, DENSE_VECTORS, 1, sums);
    else
        multiply_rows(p, first, ROWS_BY_ALL, DENSE_VECTORS, 0, sums);
    return ROWS_BY_ALL;
}

/* Where the messages of each (step, place) begin; the last ones are repeated to make the rows of a product up. */
static void find_messages(
    const struct connection *c, const struct source *s, const struct chunk *chunk, size_t pixel, const uint8_t **messages
) {
    int places = places_of(chunk), rows = places * c->steps;
    find_starts(c, s, chunk);
    for (int t = 0, k = 0; t < c->steps; t++)
        for (int place = 0; place < places; place++, k++)
            messages[k] = (const uint8_t *)s->map + (s->places[place].first + t * s->step) * pixel;
    for (int k = rows; k < rows + MOST_ROWS; k++) messages[k] = messages[rows - 1];
}

/* Offsets of quads in what a place reads. A segment is read in one piece: a kernel's row, its tap, or all of it. */
static int32_t *offsets_of_quads(const struct connection *c, const struct source *s, size_t pixel, int quads) {
    int in_segment = quads / c->segments, is_row = c->segments == c->kernel[0];
    int32_t *offsets = malloc((size_t)quads * sizeof *offsets);
    for (int k = 0; offsets && k < quads; k++) {
        int segment = k / in_segment, row = is_row ? segment : segment / c->kernel[1];
        int column = is_row ? 0 : segment % c->kernel[1];
        size_t pixels = row * c->dilation[0] * s->line + (size_t)column * c->dilation[1];
        offsets[k] = (int32_t)(pixels * pixel) + k % in_segment * 4;
    }
    return offsets;
}

/* Adds the sums of some rows with a block of weights to those of the layer, or sets these. */
static void add_block(
    const struct connection *c, const struct layer *l, int places, int row, int rows, int vectors, int is_first,
    const words *more, int32_t *sums, int count
) {
    if (count < vectors * LANES || c->steps < l->received) {
        for (int r = 0; r < rows; r++)
            add_to_steps(c, l, places, row + r, is_first, (const int32_t *)(more + r * vectors), sums, count);
        return;
    }
    const words none = {0};
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++) {
            int32_t *to = sums + (size_t)(row + r) * l->channels + v * LANES;
            store_words(to, (is_first ? none : load_words(to)) + more[r * vectors + v] * c->factor);
        }
}

/* Groups of four bytes that a place reads of a group of channels, those of each segment filled up. */
static int quads_of(const struct connection *c) {
    int each = c->channels / c->groups, taps = c->kernel[0] * c->kernel[1] / c->segments;
    return (taps * each * (int)size_of_map(c) + 3) / 4 * c->segments;
}

/* Room for what add_products finds out about the places of a chunk; 1 where memory is short. */
static int make_room_for_products(const struct connection *c, int places, struct source *s) {
    size_t rows = (size_t)places * c->steps + MOST_ROWS;
    s->places = malloc((size_t)places * sizeof *s->places);
    s->messages = malloc(rows * sizeof *s->messages);
    s->offsets = offsets_of_quads(c, s, (size_t)c->channels * size_of_map(c), quads_of(c));
    return !s->places || !s->messages || !s->offsets;
}

/* Adds what a chunk's places receive to their sums, or sets these where it is the first to do so. */
static void add_products(
    const struct connection *c, const struct layer *l, const struct source *s, const struct chunk *chunk, int is_first,
    int32_t *sums
) {
    int each = c->channels / c->groups, outputs = l->channels / c->groups, quads = quads_of(c);
    int block = c->dense_block, vectors = block / LANES, blocks = (outputs + block - 1) / block;
    int places = places_of(chunk), rows = places * c->steps;
    size_t size = size_of_map(c);
    words one[MOST_ROWS * DENSE_VECTORS];
    find_messages(c, s, chunk, c->channels * size, s->messages);
    for (int group = 0; group < c->groups; group++) {
        for (int b = 0; b < blocks; b++) {
            int from = b * block, count = outputs - from < block ? outputs - from : block, done;
            const uint8_t *weights = (const uint8_t *)c->dense + ((size_t)group * blocks + b) * quads * 4 * block;
            struct product p = {s->messages, s->offsets, weights, quads, c->quads_in_16_bits, size == 1};
            int32_t *to = sums + group * outputs + from;
            for (int k = 0; k < rows; k += done) {
                done = multiply(&p, k, vectors, one);
                int used = rows - k < done ? rows - k : done;
                add_block(c, l, places, k, used, vectors, is_first, one, to, count);
            }
        }
        for (int k = 0; k < rows + MOST_ROWS; k++) s->messages[k] += each * size;
    }
}

#endif
