/* Dense products: rows of messages, one for each (step, place), times blocks of weights. */
#ifndef SPIKEC_PRODUCTS_H
#define SPIKEC_PRODUCTS_H

#include "rows.h"

/* Rows that share each vector of weights while it is in a register, with one, two or all vectors of outputs. */
#if defined(__AVX512BW__)
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
static const uint8_t **rows_of_map(
    const struct connection *c, const struct source *s, const struct chunk *chunk, size_t pixel
) {
    size_t step = (size_t)s->window.rows * s->window.columns * pixel;
    int places = places_of(chunk), rows = places * c->steps;
    struct start *starts = starts_of_places(c, s->window, chunk, c->steps, (size_t)s->window.columns);
    const uint8_t **messages = malloc(((size_t)rows + MOST_ROWS) * sizeof *messages);
    if (starts && messages) {
        for (int t = 0, k = 0; t < c->steps; t++)
            for (int place = 0; place < places; place++, k++)
                messages[k] = (const uint8_t *)s->map + starts[place].first * pixel + t * step;
        for (int k = rows; k < rows + MOST_ROWS; k++) messages[k] = messages[rows - 1];
    }
    if (!starts) free(messages);
    free(starts);
    return starts ? messages : NULL;
}

/* Offsets of quads in what a place reads. A segment is read in one piece: a kernel's row, its tap, or all of it. */
static int32_t *offsets_of_quads(const struct connection *c, const struct source *s, size_t pixel, int quads) {
    int in_segment = quads / c->segments, is_row = c->segments == c->kernel[0];
    int32_t *offsets = malloc((size_t)quads * sizeof *offsets);
    for (int k = 0; offsets && k < quads; k++) {
        int segment = k / in_segment, row = is_row ? segment : segment / c->kernel[1];
        int column = is_row ? 0 : segment % c->kernel[1];
        size_t pixels = (size_t)row * c->dilation[0] * s->window.columns + (size_t)column * c->dilation[1];
        offsets[k] = (int32_t)(pixels * pixel) + k % in_segment * 4;
    }
    return offsets;
}

/* Adds the sums of some rows with a block of weights to those of the layer. */
static void add_block(
    const struct connection *c, const struct layer *l, int places, int row, int rows, int vectors, const words *more,
    int32_t *sums, int count
) {
    if (count < vectors * LANES || c->steps < l->steps) {
        for (int r = 0; r < rows; r++)
            add_to_steps(c, l, places, row + r, 0, (const int32_t *)(more + r * vectors), sums, count);
        return;
    }
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++) {
            int32_t *to = sums + (size_t)(row + r) * l->channels + v * LANES;
            store_words(to, load_words(to) + more[r * vectors + v] * c->factor);
        }
}

/* Adds what a chunk's places receive to their sums. */
static int add_products(
    const struct connection *c, const struct layer *l, const struct source *s, const struct chunk *chunk, int32_t *sums
) {
    int size = c->method == BYTES ? 1 : 2, each = c->channels / c->groups, outputs = l->channels / c->groups;
    int length = (c->kernel[0] * c->kernel[1] / c->segments * each * size + 3) / 4, quads = length * c->segments;
    int block = c->dense_block, vectors = block / LANES, blocks = (outputs + block - 1) / block;
    int places = places_of(chunk), rows = places * c->steps;
    size_t pixel = (size_t)c->channels * size;
    const uint8_t **messages = rows_of_map(c, s, chunk, pixel);
    int32_t *offsets = offsets_of_quads(c, s, pixel, quads);
    words one[MOST_ROWS * DENSE_VECTORS];
    int failed = !messages || !offsets;
    for (int group = 0; group < c->groups && !failed; group++) {
        for (int b = 0; b < blocks; b++) {
            int from = b * block, count = outputs - from < block ? outputs - from : block, done;
            const uint8_t *weights = (const uint8_t *)c->dense + ((size_t)group * blocks + b) * quads * 4 * block;
            struct product p = {messages, offsets, weights, quads, c->quads_in_16_bits, size == 1};
            for (int k = 0; k < rows; k += done) {
                done = multiply(&p, k, vectors, one);
                add_block(c, l, places, k, rows - k < done ? rows - k : done, vectors, one, sums + group * outputs + from, count);
            }
        }
        for (int k = 0; k < rows + MOST_ROWS; k++) messages[k] += (size_t)each * size;
    }
    free(messages);
    free(offsets);
    return failed;
}

#endif
