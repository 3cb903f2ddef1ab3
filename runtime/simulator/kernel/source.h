/* What a part of the work reads of a source: lists of active channels or a map, pools summed, with its padding. */
#ifndef SPIKEC_SOURCE_H
#define SPIKEC_SOURCE_H

#include <stdlib.h>

#include "layer.h"
#include "vectors.h"

/* Pooled pixels that some rows of the target read: rows and columns from y and x on, also outside of the source. */
struct window {
    int y, x, rows, columns, samples;
};

/* Where a place begins to read: a column of a window, and a pixel, or list, counted from the first one on. */
struct start {
    size_t first;
    int column;
};

/* Taps of a kernel whose lists follow each other: where these begin, counted from a place's first list, and what makes the
 * entries of a place at column 0 rows of weights. */
struct taps {
    size_t list;
    uint32_t shift;
};

/* Lines of lists count (sample, step, row, plane, group). The list of pixel p, all pixels counted, is entries[starts[p]]
 * up to entries[starts[p + 1]]; an entry is column * channels of a group + channel, so that neighbours' lists are one. A
 * map is (samples, steps, rows, columns, channels). */
struct source {
    struct window window;
    uint32_t *starts;
    uint32_t *entries;
    const void *map;
    void *copy;                /* of which the map is one, if it is */
    size_t line, step, sample; /* pixels, or lists, from one line, step or sample to the next */
    size_t plane;              /* lists from those of one plane to the next */
    size_t active;             /* bits that are set in what is listed */
    int is_product;
    struct start *places;     /* room for a chunk's */
    struct taps *taps;        /* so many of them, and how many lists each has */
    int count, lists;
    uint32_t *index;          /* room for the rows of weights that a place meets */
    const uint8_t **messages; /* room for where a chunk's rows of messages begin, and what each of them reads: */
    int32_t *offsets;
};

static struct window window_of(const struct connection *c, const struct layer *l, const struct part *part) {
    return (struct window){
        .y = part->row * c->stride[0] - c->padding[0],
        .x = -c->padding[1],
        .rows = (part->last_row - part->row - 1) * c->stride[0] + (c->kernel[0] - 1) * c->dilation[0] + 1,
        .columns = (l->width - 1) * c->stride[1] + (c->kernel[1] - 1) * c->dilation[1] + 1,
        .samples = part->last_sample - part->sample,
    };
}

static size_t pixels_of(const struct connection *c, struct window w) {
    return (size_t)w.samples * c->steps * w.rows * w.columns;
}

static size_t index_of_pixel(const struct connection *c, const struct layer *l, int sample, int step, int y, int x) {
    return ((((size_t)step * l->samples + sample) * c->height + y) * c->width + x) * c->channels;
}

static int has_pool(const struct connection *c) { return c->pool[0] > 1 || c->pool[1] > 1; }

static void drop_source(struct source *s) {
    free(s->starts);
    free(s->entries);
    free(s->copy);
    free(s->places);
    free(s->taps);
    free(s->index);
    free(s->messages);
    free(s->offsets);
}

#endif
