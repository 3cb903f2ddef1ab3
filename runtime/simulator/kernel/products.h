/* Dense products, channel by channel products, and single weights at coordinates. */
#ifndef SPIKEC_PRODUCTS_H
#define SPIKEC_PRODUCTS_H

#include "rows.h"

enum { DENSE_ROWS = 4 };

/* What one place of the target reads of a map, taps that lie beyond it as zeros; size: bytes of a message. */
static void gather(
    const struct connection *c, const struct source *s, struct place at, int step, int group, int size, uint8_t *to
) {
    struct window w = s->window;
    int each = c->channels / c->groups;
    size_t pixel = (size_t)c->channels * size, bytes = (size_t)each * size;
    const uint8_t *map = (const uint8_t *)s->map +
                         ((size_t)at.sample * c->steps + step) * (w.last - w.first) * w.columns * pixel +
                         group * bytes;
    for (int j = 0; j < c->kernel[0]; j++) {
        int y = at.y * c->stride[0] + j * c->dilation[0] - c->padding[0];
        for (int i = 0; i < c->kernel[1]; i++, to += bytes) {
            int x = at.x * c->stride[1] + i * c->dilation[1] - c->padding[1];
            if (y < w.first || y >= w.last || x < 0 || x >= w.columns)
                memset(to, 0, bytes);
            else
                memcpy(to, map + ((size_t)(y - w.first) * w.columns + x) * pixel, bytes);
        }
    }
}

/* Some rows of messages times one block of weights; four bytes of each at a time. */
INLINE void multiply_rows(
    const uint8_t *messages, const uint8_t *weights, int length, int rows, int in_bytes, int32_t *sums
) {
    words sum[DENSE_ROWS][DENSE_VECTORS] = {0};
    for (int k = 0; k < length; k += 4, weights += DENSE_VECTORS * VECTOR_BYTES) {
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            const uint8_t *four = messages + (size_t)r * length + k;
#pragma GCC unroll 4
            for (int v = 0; v < DENSE_VECTORS; v++) {
                const uint8_t *own = weights + v * VECTOR_BYTES;
                sum[r][v] = in_bytes ? add_quads(sum[r][v], four, (const int8_t *)own)
                                     : add_pairs(sum[r][v], (const int16_t *)four, (const int16_t *)own);
            }
        }
    }
    memcpy(sums, sum, (size_t)rows * sizeof sum[0]);
}

static void multiply(
    const uint8_t *messages, const uint8_t *weights, int length, int rows, int in_bytes, int32_t *sums
) {
    if (rows == DENSE_ROWS && in_bytes)
        multiply_rows(messages, weights, length, DENSE_ROWS, 1, sums);
    else if (rows == DENSE_ROWS)
        multiply_rows(messages, weights, length, DENSE_ROWS, 0, sums);
    else
        for (int r = 0; r < rows; r++) {
            const uint8_t *own = messages + (size_t)r * length;
            if (in_bytes)
                multiply_rows(own, weights, length, 1, 1, sums + r * DENSE_BLOCK);
            else
                multiply_rows(own, weights, length, 1, 0, sums + r * DENSE_BLOCK);
        }
}

/* Adds what a chunk's places receive to sums (places, steps, channels). */
static int add_products(
    const struct connection *c, const struct layer *l, const struct source *s, const struct chunk *chunk, int32_t *sums
) {
    int in_bytes = c->method == BYTES, size = in_bytes ? 1 : 2, outputs = l->channels / c->groups;
    int length = (c->kernel[0] * c->kernel[1] * (c->channels / c->groups) * size + 3) / 4 * 4;
    int blocks = (outputs + DENSE_BLOCK - 1) / DENSE_BLOCK, rows = (chunk->last - chunk->first) * c->steps;
    uint8_t *messages = calloc((size_t)rows, (size_t)length);
    int32_t one[DENSE_ROWS * DENSE_BLOCK];
    if (!messages) return 1;
    for (int group = 0; group < c->groups; group++) {
        for (int k = 0; k < rows; k++)
            gather(c, s, place_of(chunk, chunk->first + k / c->steps), k % c->steps, group, size,
                   messages + (size_t)k * length);
        for (int block = 0; block < blocks; block++) {
            int from = block * DENSE_BLOCK, count = outputs - from < DENSE_BLOCK ? outputs - from : DENSE_BLOCK;
            const uint8_t *weights =
                (const uint8_t *)c->dense + ((size_t)group * blocks + block) * length * DENSE_BLOCK;
            for (int k = 0; k < rows; k += DENSE_ROWS) {
                int some = rows - k < DENSE_ROWS ? rows - k : DENSE_ROWS;
                multiply(messages + (size_t)k * length, weights, length, some, in_bytes, one);
                for (int r = 0; r < some; r++) {
                    size_t place = (size_t)(k + r) / c->steps;
                    int32_t *to = sums + place * l->steps * l->channels + group * outputs + from;
                    add_to_steps(c, l, (k + r) % c->steps, 0, one + r * DENSE_BLOCK, to, count);
                }
            }
        }
    }
    free(messages);
    return 0;
}

INLINE void add_channels_of_tap(const int32_t *weights, const int16_t *read, int count, int repeats, int32_t *sums) {
    if (repeats == 1)
        for (int o = 0; o < count; o++) sums[o] += weights[o] * read[o];
    else
        for (int o = 0; o < count; o++) sums[o] += weights[o] * read[o / repeats];
}

/* Weights (taps, channels of the target). */
static int add_channels(
    const struct connection *c, const struct layer *l, const struct source *s, const struct chunk *chunk, int32_t *sums
) {
    struct window w = s->window;
    int32_t *one = malloc((size_t)l->channels * sizeof *one);
    if (!one) return 1;
    for (int k = 0; k < (chunk->last - chunk->first) * c->steps; k++) {
        struct place at = place_of(chunk, chunk->first + k / c->steps);
        memset(one, 0, (size_t)l->channels * sizeof *one);
        for (int tap = 0; tap < c->kernel[0] * c->kernel[1]; tap++) {
            int y = at.y * c->stride[0] + tap / c->kernel[1] * c->dilation[0] - c->padding[0];
            int x = at.x * c->stride[1] + tap % c->kernel[1] * c->dilation[1] - c->padding[1];
            if (y < w.first || y >= w.last || x < 0 || x >= w.columns) continue;
            size_t line = ((size_t)at.sample * c->steps + k % c->steps) * (w.last - w.first) + (y - w.first);
            const int16_t *read = (const int16_t *)s->map + (line * w.columns + x) * c->channels;
            const int32_t *weights = (const int32_t *)c->rows + (size_t)tap * l->channels;
            add_channels_of_tap(weights, read, l->channels, l->channels / c->channels, one);
        }
        int32_t *to = sums + (size_t)(k / c->steps) * l->steps * l->channels;
        add_to_steps(c, l, k % c->steps, 0, one, to, l->channels);
    }
    free(one);
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
