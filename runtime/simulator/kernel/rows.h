/* Spikes: the rows of weights of all that spiked, added up. */
#ifndef SPIKEC_ROWS_H
#define SPIKEC_ROWS_H

#include "source.h"

/* Places of a part that are worked on together: from the first up to the last, in (sample, row, column). Their sums are
 * (steps, places, channels); so are what they receive and send, which lies as they do in whole maps. */
struct chunk {
    int first, last, rows, columns;
};

static int places_of(const struct chunk *chunk) { return chunk->last - chunk->first; }

struct place {
    int sample, y, x;
};

static struct place place_of(const struct chunk *chunk, int index) {
    int in_sample = index % (chunk->rows * chunk->columns);
    return (struct place){
        index / (chunk->rows * chunk->columns), in_sample / chunk->columns, in_sample % chunk->columns
    };
}

enum { BIAS = 128, ROWS_IN_16_BITS = 256 };

/* Sums in 32 bits of up to 256 rows of bytes: bytes[2 i] are weights 0.., bytes[2 i + 1] those of the second half. */
INLINE void widen(halves all, halves odd, int32_t *sums) {
    halves even = all - (odd << 8);
    for (int i = 0; i < VECTOR_BYTES / 2; i++) sums[i] += even[i];
    for (int i = 0; i < VECTOR_BYTES / 2; i++) sums[VECTOR_BYTES / 2 + i] += odd[i];
}

/* A byte is w + 128, so that sums need no sign: all adds even + 256 odd modulo 2^16, odd what is above. */
INLINE void sum_bytes(const uint8_t *rows, const uint32_t *index, int count, int vectors, int32_t *sums) {
    for (int i = 0; i < vectors * VECTOR_BYTES; i++) sums[i] = -BIAS * count;
    for (int first = 0; first < count; first += ROWS_IN_16_BITS) {
        int last = count - first < ROWS_IN_16_BITS ? count : first + ROWS_IN_16_BITS;
        halves all[4] = {0}, odd[4] = {0};
        for (int i = first; i < last; i++) {
            const uint8_t *row = rows + (size_t)index[i] * (vectors * VECTOR_BYTES);
#pragma GCC unroll 4
            for (int k = 0; k < vectors; k++) {
                halves both = load_halves(row + k * VECTOR_BYTES);
                all[k] += both;
                odd[k] += both >> 8;
            }
        }
#pragma GCC unroll 4
        for (int k = 0; k < vectors; k++) widen(all[k], odd[k], sums + k * VECTOR_BYTES);
    }
}

static void sum_words(const int32_t *rows, const uint32_t *index, int count, int block, int32_t *sums) {
    memset(sums, 0, (size_t)block * sizeof *sums);
    for (int i = 0; i < count; i++) {
        const int32_t *row = rows + (size_t)index[i] * block;
        for (int k = 0; k < block; k++) sums[k] += row[k];
    }
}

static void sum_rows(const struct connection *c, size_t block, const uint32_t *index, int count, int32_t *sums) {
    size_t size = (size_t)c->kernel[0] * c->kernel[1] * (c->channels / c->groups) * c->block;
    if (c->method == WORDS) {
        sum_words((const int32_t *)c->rows + block * size, index, count, c->block, sums);
        return;
    }
    const uint8_t *rows = (const uint8_t *)c->rows + block * size;
    switch (c->block / VECTOR_BYTES) {
    case 1: sum_bytes(rows, index, count, 1, sums); break;
    case 2: sum_bytes(rows, index, count, 2, sums); break;
    default: sum_bytes(rows, index, count, 4, sums);
    }
}

/* Entries with what turns them into rows of weights; writes and reads up to a vector more. */
INLINE uint32_t *shifted(const uint32_t *entries, uint32_t count, uint32_t shift, uint32_t *to) {
    for (uint32_t k = 0; k < count; k += LANES) {
        words more = load_words(entries + k) + (int32_t)shift;
        memcpy(to + k, &more, sizeof more);
    }
    return to + count;
}

/* The rows of weights that one place of the target meets at one step, for one bit of counts. */
static uint32_t *rows_met(
    const struct connection *c, const struct source *s, struct place at, int plane, int group, uint32_t *index
) {
    struct window w = s->window;
    int each = c->channels / c->groups, run = c->dilation[1] == 1 ? c->kernel[1] : 1;
    int first = (at.sample * c->steps * c->bits + plane) * w.rows + at.y * c->stride[0];
    for (int j = 0; j < c->kernel[0]; j++) {
        size_t line = (size_t)(first + j * c->dilation[0]) * c->groups + group;
        for (int i = 0; i < c->kernel[1]; i += run) {
            int x = at.x * c->stride[1] + i * c->dilation[1];
            const uint32_t *start = s->starts + line * w.columns + x;
            uint32_t shift = (uint32_t)((j * c->kernel[1] + i - x) * each);
            index = shifted(s->entries + start[0], start[run] - start[0], shift, index);
        }
    }
    return index;
}

INLINE void add_scaled(int32_t *restrict sums, const int32_t *restrict more, int32_t factor, int count) {
    for (int i = 0; i < count; i++) sums[i] += factor * more[i];
}

/* What a (step, place) of messages adds, to the layer's sums of it, or of all steps where messages are the same at each. */
static void add_to_steps(
    const struct connection *c, const struct layer *l, int places, int row, int shift, const int32_t *more,
    int32_t *sums, int count
) {
    int32_t factor = (int32_t)((uint32_t)c->factor << shift);
    int last = c->steps < l->steps ? l->steps * places : row + 1;
    for (; row < last; row += places) add_scaled(sums + (size_t)row * l->channels, more, factor, count);
}

/* Rows that a chunk's places can meet. */
static size_t most_rows(const struct connection *c, const struct source *s, const struct chunk *chunk) {
    size_t taps = (size_t)c->kernel[0] * c->kernel[1], planes = (size_t)c->steps * c->bits;
    size_t pixel = (size_t)(c->channels / c->groups) * c->pool[0] * c->pool[1];
    size_t by_size = taps * pixel * planes * (size_t)places_of(chunk), by_spikes = taps * s->spikes;
    return by_size < by_spikes ? by_size : by_spikes;
}

/* Adds what a chunk's places receive to their sums. */
static int add_rows(
    const struct connection *c, const struct layer *l, const struct source *s, const struct chunk *chunk, int32_t *sums
) {
    int places = places_of(chunk), rows = places * c->steps, outputs = l->channels / c->groups;
    int blocks = (outputs + c->block - 1) / c->block;
    uint32_t *index = malloc((most_rows(c, s, chunk) + LANES) * sizeof *index);
    uint32_t **starts = malloc(((size_t)rows * c->bits + 1) * sizeof *starts);
    int32_t *one = malloc((size_t)c->block * sizeof *one);
    int failed = !index || !starts || !one;
    for (int group = 0; group < c->groups && !failed; group++) {
        starts[0] = index;
        for (int row = 0, k = 0; row < rows; row++) {
            struct place at = place_of(chunk, chunk->first + row % places);
            for (int bit = 0; bit < c->bits; bit++, k++)
                starts[k + 1] = rows_met(c, s, at, row / places * c->bits + bit, group, starts[k]);
        }
        for (int block = 0; block < blocks; block++) {
            int from = block * c->block, count = outputs - from < c->block ? outputs - from : c->block;
            for (int row = 0, k = 0; row < rows; row++)
                for (int bit = 0; bit < c->bits; bit++, k++) {
                    if (starts[k] == starts[k + 1]) continue;
                    sum_rows(c, (size_t)group * blocks + block, starts[k], (int)(starts[k + 1] - starts[k]), one);
                    add_to_steps(c, l, places, row, bit, one, sums + group * outputs + from, count);
                }
        }
    }
    free(index);
    free(starts);
    free(one);
    return failed;
}

#endif
