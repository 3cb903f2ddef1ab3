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

/* Where each of a chunk's places begins to read, at the first step. */
static void find_starts(const struct connection *c, const struct source *s, const struct chunk *chunk) {
    struct place at = place_of(chunk, chunk->first);
    for (int k = 0; k < places_of(chunk); k++) {
        size_t line = at.sample * s->sample + (size_t)at.y * c->stride[0] * s->line;
        int column = at.x * c->stride[1];
        s->places[k] = (struct start){line + (size_t)column, column};
        if (++at.x < chunk->columns) continue;
        at.x = 0;
        if (++at.y < chunk->rows) continue;
        at.y = 0;
        at.sample++;
    }
}

enum { BIAS = 128, ROWS_IN_16_BITS = 256, ROWS_AT_ONCE = 4, ROWS_AHEAD = 8, MOST_BLOCK = 4 * VECTOR_BYTES };

/* Adds up to 256 rows of bytes to sums in 32 bits, or to offset: bytes[2 i] are weights 0.., bytes[2 i + 1] those of the
 * second half. */
INLINE void widen(halves all, halves odd, int32_t offset, int is_first, int32_t *sums) {
    enum { HALF = VECTOR_BYTES / 2 };
    halves even = all - (odd << 8);
    for (int i = 0; i < HALF; i++) sums[i] = (is_first ? offset : sums[i]) + even[i];
    for (int i = 0; i < HALF; i++) sums[HALF + i] = (is_first ? offset : sums[HALF + i]) + odd[i];
}

/* A byte is w + 128, so that sums need no sign: all adds even + 256 odd modulo 2^16, odd what is above. The last rows of
 * index, up to a whole number of ROWS_AT_ONCE, are empty, and ROWS_AHEAD more. A single vector's rows are added in turn
 * to two sums, because an addition takes longer than the next row's; rows of four vectors are in the second cache. */
INLINE void sum_bytes(const uint8_t *rows, const uint32_t *index, int count, int vectors, int32_t *sums) {
    int turns = vectors == 1 ? 2 : 1;
    for (int first = 0; first == 0 || first < count; first += ROWS_IN_16_BITS) {
        int last = count - first < ROWS_IN_16_BITS ? count : first + ROWS_IN_16_BITS;
        halves all[4] = {0}, odd[4] = {0};
        for (int i = first; i < last; i += ROWS_AT_ONCE)
#pragma GCC unroll 4
            for (int r = 0; r < ROWS_AT_ONCE; r++) {
                const uint8_t *row = rows + (size_t)index[i + r] * (vectors * VECTOR_BYTES);
                const uint8_t *ahead = rows + (size_t)index[i + r + ROWS_AHEAD] * (vectors * VECTOR_BYTES);
#pragma GCC unroll 4
                for (int k = 0; k < vectors; k++) {
                    if (vectors == 4) __builtin_prefetch(ahead + k * VECTOR_BYTES);
                    halves both = kept(load_halves(row + k * VECTOR_BYTES));
                    all[k + r % turns] += both;
                    odd[k + r % turns] += both >> 8;
                }
            }
        if (turns == 2) all[0] += all[1], odd[0] += odd[1];
#pragma GCC unroll 4
        for (int k = 0; k < vectors; k++) widen(all[k], odd[k], -BIAS * count, first == 0, sums + k * VECTOR_BYTES);
    }
}

static void sum_words(const int32_t *rows, const uint32_t *index, int count, int block, int32_t *sums) {
    memset(sums, 0, (size_t)block * sizeof *sums);
    for (int i = 0; i < count; i++) {
        const int32_t *row = rows + (size_t)index[i] * block;
        for (int k = 0; k < block; k++) sums[k] += row[k];
    }
}

/* The rows of a block, behind which there is an empty one. */
static uint32_t rows_of_block(const struct connection *c) {
    return (uint32_t)c->kernel[0] * c->kernel[1] * (c->channels / c->groups);
}

static void sum_rows(const struct connection *c, size_t block, const uint32_t *index, int count, int32_t *sums) {
    size_t first = block * (rows_of_block(c) + 1) * c->block;
    if (c->method == WORDS) {
        sum_words((const int32_t *)c->rows + first, index, count, c->block, sums);
        return;
    }
    const uint8_t *rows = (const uint8_t *)c->rows + first;
    switch (c->block / VECTOR_BYTES) {
    case 1: sum_bytes(rows, index, count, 1, sums); break;
    case 2: sum_bytes(rows, index, count, 2, sums); break;
    default: sum_bytes(rows, index, count, 4, sums);
    }
}

/* Entries with what turns them into rows of weights, two vectors at a time, as processors foresee few rounds badly; writes
 * and reads up to two vectors more. */
INLINE uint32_t *shifted(const uint32_t *entries, uint32_t count, uint32_t shift, uint32_t *to) {
    for (uint32_t k = 0; k < count; k += 2 * LANES) {
        store_words(to + k, load_words(entries + k) + (int32_t)shift);
        store_words(to + k + LANES, load_words(entries + k + LANES) + (int32_t)shift);
    }
    return to + count;
}

/* The rows of weights that a place meets, and empty ones behind them; returns how many it meets. */
static int rows_met(const struct connection *c, const struct source *s, size_t first, int column, uint32_t *index) {
    int each = c->channels / c->groups, run = c->dilation[1] == 1 ? c->kernel[1] : 1;
    size_t line = c->dilation[0] * s->line;
    uint32_t *to = index;
    for (int j = 0; j < c->kernel[0]; j++)
        for (int i = 0; i < c->kernel[1]; i += run) {
            const uint32_t *start = s->starts + first + j * line + i * c->dilation[1];
            uint32_t shift = (uint32_t)((j * c->kernel[1] + i - column - i * c->dilation[1]) * each);
            to = shifted(s->entries + start[0], start[run] - start[0], shift, to);
        }
    const words empty = (words){0} + (int32_t)rows_of_block(c);
    for (int r = 0; r < ROWS_AT_ONCE + ROWS_AHEAD; r += LANES) store_words(to + r, empty);
    return (int)(to - index);
}

INLINE void add_scaled(int32_t *restrict sums, const int32_t *restrict more, int32_t factor, int count) {
    int i = 0;
    for (; i + LANES <= count; i += LANES) store_words(sums + i, load_words(sums + i) + load_words(more + i) * factor);
    for (; i < count; i++) sums[i] += factor * more[i];
}

INLINE void set_scaled(int32_t *restrict sums, const int32_t *restrict more, int32_t factor, int count) {
    int i = 0;
    for (; i + LANES <= count; i += LANES) store_words(sums + i, load_words(more + i) * factor);
    for (; i < count; i++) sums[i] = factor * more[i];
}

/* What a (step, place) of messages adds, to the layer's sums of it, or of all steps where messages are the same at each;
 * or what these sums become, if nothing was added to them before. */
static void add_to_steps(
    const struct connection *c, const struct layer *l, int places, int row, int shift, int is_first, const int32_t *more,
    int32_t *sums, int count
) {
    int32_t factor = (int32_t)((uint32_t)c->factor << shift);
    int last = c->steps < l->received ? l->received * places : row + 1;
    for (; row < last; row += places) {
        if (is_first)
            set_scaled(sums + (size_t)row * l->channels, more, factor, count);
        else
            add_scaled(sums + (size_t)row * l->channels, more, factor, count);
    }
}

/* Room for what add_rows finds out about the places of a chunk; 1 where memory is short. */
static int make_room_for_rows(const struct connection *c, int places, struct source *s) {
    size_t most = (size_t)rows_of_block(c) * c->pool[0] * c->pool[1];
    s->places = malloc((size_t)places * sizeof *s->places);
    s->index = malloc((most + 3 * LANES + ROWS_AT_ONCE + ROWS_AHEAD) * sizeof *s->index);
    return !s->places || !s->index;
}

/* Adds what a chunk's places receive to their sums, or sets these where it is the first to do so. */
static void add_rows(
    const struct connection *c, const struct layer *l, const struct source *s, const struct chunk *chunk, int is_first,
    int32_t *sums
) {
    int places = places_of(chunk), planes = c->steps * c->bits, outputs = l->channels / c->groups;
    int blocks = (outputs + c->block - 1) / c->block;
    int32_t one[MOST_BLOCK];
    find_starts(c, s, chunk);
    for (int number = 0; number < c->groups * blocks; number++) {
        int group = number / blocks, from = number % blocks * c->block;
        int count = outputs - from < c->block ? outputs - from : c->block;
        for (int plane = 0; plane < planes; plane++)
            for (int k = 0; k < places; k++) {
                size_t first = s->places[k].first + plane * s->step + (size_t)group * s->window.columns;
                int met = rows_met(c, s, first, s->places[k].column, s->index), step = plane / c->bits;
                int sets = is_first && plane % c->bits == 0;
                if (!met && !sets) continue;
                sum_rows(c, (size_t)number, s->index, met, one);
                int32_t *to = sums + group * outputs + from;
                add_to_steps(c, l, places, step * places + k, plane % c->bits, sets, one, to, count);
            }
    }
}

#endif
