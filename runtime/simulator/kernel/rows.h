/* Spikes: what places receive of all that spiked. */
#ifndef SPIKEC_ROWS_H
#define SPIKEC_ROWS_H

#include "reading.h"
#include "sums.h"

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

/* The rows of a block, behind which there is an empty one. */
static uint32_t rows_of_block(const struct connection *c) {
    return (uint32_t)c->kernel[0] * c->kernel[1] * (c->channels / c->groups);
}

/* Entries with what turns them into rows of weights, several vectors at a time, as processors foresee few rounds badly;
 * reads and writes up to ENTRIES_AT_ONCE more. */
INLINE uint32_t *shifted(const uint32_t *entries, uint32_t count, uint32_t shift, uint32_t *to) {
    for (uint32_t k = 0; k < count; k += ENTRIES_AT_ONCE)
#pragma GCC unroll 4
        for (uint32_t r = k; r < k + ENTRIES_AT_ONCE; r += LANES)
            store_words(to + r, load_words(entries + r) + (int32_t)shift);
    return to + count;
}

/* The rows of weights that a place meets, plane by plane from the highest on, whose first list of the lowest plane is the
 * first of starts; empty ones make each plane's whole, and ROWS_AHEAD are behind the last. Met is how many each has. */
INLINE void rows_met(
    const struct source *s, const uint32_t *starts, uint32_t column, uint32_t empty, int planes, uint32_t *index, int *met
) {
    for (int plane = planes - 1; plane >= 0; plane--) {
        uint32_t *to = index;
        for (int k = 0; k < s->count; k++) {
            const uint32_t *start = starts + plane * s->plane + s->taps[k].list;
            to = shifted(s->entries + start[0], start[s->lists] - start[0], s->taps[k].shift - column, to);
        }
        for (int r = 0; r < ROWS_AT_ONCE + ROWS_AHEAD; r += LANES) store_words(to + r, (words){0} + (int32_t)empty);
        met[plane] = (int)(to - index);
        index += in_whole(met[plane]);
    }
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
    const struct connection *c, const struct layer *l, int places, int row, int is_first, const int32_t *more,
    int32_t *sums, int count
) {
    int last = c->steps < l->received ? l->received * places : row + 1;
    for (; row < last; row += places) {
        if (is_first)
            set_scaled(sums + (size_t)row * l->channels, more, c->factor, count);
        else
            add_scaled(sums + (size_t)row * l->channels, more, c->factor, count);
    }
}

/* The taps of a kernel's row have lists that follow each other, unless they are dilated. */
static int find_taps(const struct connection *c, struct source *s) {
    int each = c->channels / c->groups;
    s->lists = c->dilation[1] == 1 ? c->kernel[1] : 1;
    s->taps = malloc((size_t)c->kernel[0] * c->kernel[1] * sizeof *s->taps);
    if (!s->taps) return 1;
    for (int j = 0; j < c->kernel[0]; j++)
        for (int i = 0; i < c->kernel[1]; i += s->lists) {
            int column = i * c->dilation[1], tap = j * c->kernel[1] + i;
            size_t list = j * c->dilation[0] * s->line + (size_t)column;
            s->taps[s->count++] = (struct taps){list, (uint32_t)((tap - column) * each)};
        }
    return 0;
}

/* Room for what add_rows finds out about the places of a chunk; 1 where memory is short. */
static int make_room_for_rows(const struct connection *c, int places, struct source *s) {
    size_t planes = (size_t)planes_of(c), most = rows_of_block(c) * (planes + 1) + planes * ROWS_AT_ONCE;
    s->places = malloc((size_t)places * sizeof *s->places);
    s->index = malloc((most + ENTRIES_AT_ONCE + LANES + ROWS_AT_ONCE + ROWS_AHEAD) * sizeof *s->index);
    return find_taps(c, s) || !s->places || !s->index;
}

/* Whether what is added is itself what the sums become, times a power of two. */
static int is_sum(const struct connection *c, const struct layer *l, int sets, int outputs) {
    return sets && outputs == c->block && !(c->factor & (c->factor - 1)) && c->steps == l->received;
}

/* A step of a chunk's places and a block's outputs. */
struct step {
    const uint8_t *rows;    /* of the block */
    const uint32_t *starts; /* of the step's lists, the lowest plane's */
    int32_t *sums;          /* of the block's outputs, at all places and steps */
    int places, number, sets, outputs, planes;
};

/* Adds what places receive, or sets their sums, shifted if that is all they are; no vectors: rows are words. */
INLINE void add_places(
    const struct connection *c, const struct layer *l, const struct source *s, const struct step *step, int planes,
    int vectors
) {
    const uint8_t *rows = step->rows;
    uint32_t each = (uint32_t)(c->channels / c->groups), empty = rows_of_block(c), *index = s->index;
    int places = step->places, first = step->number * places, met[MOST_PLANES];
    int is_direct = is_sum(c, l, step->sets, step->outputs), shift = is_direct ? __builtin_ctz((unsigned)c->factor) : 0;
    int32_t one[MOST_BLOCK];
    for (int k = 0; k < places; k++) {
        uint32_t column = (uint32_t)s->places[k].column * each;
        rows_met(s, step->starts + s->places[k].first, column, empty, planes, index, met);
        if (!step->sets && !rows_of_planes(met, planes)) continue;
        int32_t *to = is_direct ? step->sums + (size_t)(first + k) * l->channels : one;
        if (vectors)
            sum_bytes(rows, index, met, planes, shift, vectors, to);
        else
            sum_words((const int32_t *)rows, index, met, planes, shift, c->block, to);
        if (!is_direct) add_to_steps(c, l, places, first + k, step->sets, one, step->sums, step->outputs);
    }
}

INLINE void add_step(
    const struct connection *c, const struct layer *l, const struct source *s, const struct step *step, int vectors
) {
    if (step->planes == 1)
        add_places(c, l, s, step, 1, vectors);
    else
        add_places(c, l, s, step, step->planes, vectors);
}

static void add_step_of_words(
    const struct connection *c, const struct layer *l, const struct source *s, const struct step *step
) {
    add_step(c, l, s, step, 0);
}

static void add_step_of_bytes(
    const struct connection *c, const struct layer *l, const struct source *s, const struct step *step
) {
    switch (c->block / VECTOR_BYTES) {
    case 1: add_step(c, l, s, step, 1); break;
    case 2: add_step(c, l, s, step, 2); break;
    default: add_step(c, l, s, step, 4);
    }
}

/* Adds what a chunk's places receive to their sums, or sets these where it is the first to do so. */
static void add_rows(
    const struct connection *c, const struct layer *l, const struct source *s, const struct chunk *chunk, int is_first,
    int32_t *sums
) {
    int outputs = l->channels / c->groups, blocks = (outputs + c->block - 1) / c->block;
    size_t width = c->block * (c->method == WORDS ? sizeof(int32_t) : 1), block = (rows_of_block(c) + 1) * width;
    struct step step = {.places = places_of(chunk), .sets = is_first, .planes = planes_of(c)};
    find_starts(c, s, chunk);
    for (int number = 0; number < c->groups * blocks; number++) {
        int group = number / blocks, from = number % blocks * c->block;
        step.rows = (const uint8_t *)c->rows + number * block;
        step.outputs = outputs - from < c->block ? outputs - from : c->block;
        step.sums = sums + group * outputs + from;
        step.starts = s->starts + (size_t)group * s->window.columns;
        for (step.number = 0; step.number < c->steps; step.number++, step.starts += s->step)
            if (c->method == WORDS)
                add_step_of_words(c, l, s, &step);
            else
                add_step_of_bytes(c, l, s, &step);
    }
}

#endif
