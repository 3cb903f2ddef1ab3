/* Dense products, channel by channel products, and single weights at coordinates. */
#ifndef SPIKEC_PRODUCTS_H
#define SPIKEC_PRODUCTS_H

#include "rows.h"

enum { DENSE_ROWS = 4 };

/* Where a segment of what a place reads lies behind the first; a kernel's rows, its taps or all of it are segments. */
static size_t segment_at(const struct connection *c, struct window w, size_t pixel, int segment) {
    int is_row = c->segments == c->kernel[0], row = is_row ? segment : segment / c->kernel[1];
    int column = is_row ? 0 : segment % c->kernel[1];
    return ((size_t)row * c->dilation[0] * w.columns + (size_t)column * c->dilation[1]) * pixel;
}

/* Some rows of messages times one block of weights; four bytes of each at a time. */
INLINE void multiply_rows(
    const struct connection *c, const size_t *offsets, const uint8_t *const *messages, const uint8_t *weights,
    int length, int vectors, int in_bytes, int32_t *sums
) {
    words sum[DENSE_ROWS][DENSE_VECTORS] = {0};
    for (int segment = 0; segment < c->segments; segment++)
        for (int k = 0; k < length; k += 4, weights += vectors * VECTOR_BYTES) {
#pragma GCC unroll 4
            for (int r = 0; r < DENSE_ROWS; r++) {
                const uint8_t *four = messages[r] + offsets[segment] + k;
#pragma GCC unroll 4
                for (int v = 0; v < vectors; v++) {
                    const uint8_t *own = weights + v * VECTOR_BYTES;
                    sum[r][v] = in_bytes ? add_quads(sum[r][v], four, (const int8_t *)own)
                                         : add_pairs(sum[r][v], (const int16_t *)four, (const int16_t *)own);
                }
            }
        }
    for (int r = 0; r < DENSE_ROWS; r++)
        for (int v = 0; v < vectors; v++) memcpy(sums + (r * vectors + v) * LANES, &sum[r][v], sizeof sum[r][v]);
}

static void multiply(
    const struct connection *c, const size_t *offsets, const uint8_t *const *messages, const uint8_t *weights,
    int length, int32_t *sums
) {
    int in_bytes = c->method == BYTES, vectors = c->dense_block / LANES;
    if (vectors == 1 && in_bytes)
        multiply_rows(c, offsets, messages, weights, length, 1, 1, sums);
    else if (vectors == 1)
        multiply_rows(c, offsets, messages, weights, length, 1, 0, sums);
    else if (vectors == 2 && in_bytes)
        multiply_rows(c, offsets, messages, weights, length, 2, 1, sums);
    else if (vectors == 2)
        multiply_rows(c, offsets, messages, weights, length, 2, 0, sums);
    else if (in_bytes)
        multiply_rows(c, offsets, messages, weights, length, DENSE_VECTORS, 1, sums);
    else
        multiply_rows(c, offsets, messages, weights, length, DENSE_VECTORS, 0, sums);
}

/* Where the messages of each (place, step) begin; the last ones are repeated to make the rows of a product up. */
static const uint8_t **rows_of_map(
    const struct connection *c, const struct source *s, const struct chunk *chunk, size_t pixel, int rows
) {
    struct window w = s->window;
    const uint8_t **messages = malloc(((size_t)rows + DENSE_ROWS) * sizeof *messages);
    if (!messages) return NULL;
    size_t step = (size_t)w.rows * w.columns * pixel;
    for (int k = 0; k < rows; k += c->steps) {
        struct place at = place_of(chunk, chunk->first + k / c->steps);
        size_t line = (size_t)at.sample * c->steps * w.rows + at.y * c->stride[0];
        const uint8_t *first = (const uint8_t *)s->map + (line * w.columns + at.x * c->stride[1]) * pixel;
        for (int t = 0; t < c->steps; t++) messages[k + t] = first + t * step;
    }
    for (int k = rows; k < rows + DENSE_ROWS; k++) messages[k] = messages[rows - 1];
    return messages;
}

/* Adds what a chunk's places receive to sums (places, steps, channels). */
static int add_products(
    const struct connection *c, const struct layer *l, const struct source *s, const struct chunk *chunk, int32_t *sums
) {
    int size = c->method == BYTES ? 1 : 2, each = c->channels / c->groups, outputs = l->channels / c->groups;
    int length = (c->kernel[0] * c->kernel[1] / c->segments * each * size + 3) / 4 * 4;
    int block = c->dense_block, blocks = (outputs + block - 1) / block, rows = (chunk->last - chunk->first) * c->steps;
    size_t pixel = (size_t)c->channels * size;
    const uint8_t **messages = rows_of_map(c, s, chunk, pixel, rows);
    size_t *offsets = malloc((size_t)c->segments * sizeof *offsets);
    int32_t one[DENSE_ROWS * MOST_DENSE_BLOCK];
    int failed = !messages || !offsets;
    for (int group = 0; group < c->groups && !failed; group++) {
        for (int k = 0; k < c->segments; k++)
            offsets[k] = segment_at(c, s->window, pixel, k) + (size_t)group * each * size;
        for (int b = 0; b < blocks; b++) {
            int from = b * block, count = outputs - from < block ? outputs - from : block;
            size_t place_of_block = ((size_t)group * blocks + b) * c->segments * length * block;
            const uint8_t *weights = (const uint8_t *)c->dense + place_of_block;
            for (int k = 0; k < rows; k += DENSE_ROWS) {
                multiply(c, offsets, messages + k, weights, length, one);
                for (int r = k; r < k + DENSE_ROWS && r < rows; r++)
                    add_to_steps(c, l, r, 0, one + (r - k) * block, sums + group * outputs + from, count);
            }
        }
    }
    free(messages);
    free(offsets);
    return failed;
}

/* Messages of one pixel times a weight and a factor for each channel; every channel of the source serves several. */
INLINE void add_channels_of_tap(
    const int32_t *restrict weights, const void *read, int in_bytes, int32_t factor, int count, int repeats,
    int32_t *restrict sums
) {
    const uint8_t *bytes = read;
    const int16_t *halves_read = read;
    if (repeats == 1 && in_bytes)
        for (int o = 0; o < count; o++) sums[o] += factor * weights[o] * bytes[o];
    else if (repeats == 1)
        for (int o = 0; o < count; o++) sums[o] += factor * weights[o] * halves_read[o];
    else
        for (int o = 0; o < count; o++) {
            int channel = o / repeats;
            sums[o] += factor * weights[o] * (in_bytes ? bytes[channel] : halves_read[channel]);
        }
}

/* Weights (taps, channels of the target). */
static int add_channels(
    const struct connection *c, const struct layer *l, const struct source *s, const struct chunk *chunk, int32_t *sums
) {
    struct window w = s->window;
    int in_bytes = reads_bytes(c), repeats = l->steps / c->steps;
    size_t pixel = (size_t)c->channels * (in_bytes ? 1 : 2), step = (size_t)w.rows * w.columns * pixel;
    for (int place = chunk->first; place < chunk->last; place++) {
        struct place at = place_of(chunk, place);
        size_t line = (size_t)at.sample * c->steps * w.rows + at.y * c->stride[0];
        const uint8_t *first = (const uint8_t *)s->map + (line * w.columns + at.x * c->stride[1]) * pixel;
        for (int t = 0; t < l->steps; t++, sums += l->channels)
            for (int tap = 0; tap < c->kernel[0] * c->kernel[1]; tap++) {
                int row = tap / c->kernel[1] * c->dilation[0], column = tap % c->kernel[1] * c->dilation[1];
                const uint8_t *read = first + t / repeats * step + ((size_t)row * w.columns + column) * pixel;
                const int32_t *weights = (const int32_t *)c->rows + (size_t)tap * l->channels;
                add_channels_of_tap(weights, read, in_bytes, c->factor, l->channels, l->channels / c->channels, sums);
            }
    }
    return 0;
}

/* Entries starts[i] up to starts[i + 1] are those of source i, a target and a weight each; block: sources with any. */
static int add_coordinates(
    const struct connection *c, const struct layer *l, const struct source *s, const struct chunk *chunk, int32_t *sums
) {
    const int32_t *weights = c->rows;
    for (int k = 0; k < (chunk->last - chunk->first) * c->steps; k++) {
        size_t place = (size_t)(k / c->steps), step = (size_t)(k % c->steps);
        const int16_t *read = (const int16_t *)s->map + (((size_t)chunk->first + place) * c->steps + step) * c->channels;
        size_t first = c->steps == 1 ? 0 : step, last = c->steps == 1 ? (size_t)l->steps : step + 1;
        for (size_t t = first; t < last; t++) {
            int32_t *to = sums + (place * l->steps + t) * l->channels;
            for (int i = 0; i < c->block; i++) {
                if (!read[i]) continue;
                for (int e = c->starts[i]; e < c->starts[i + 1]; e++)
                    to[c->targets[e]] += c->factor * read[i] * weights[e];
            }
        }
    }
    return 0;
}

#endif
