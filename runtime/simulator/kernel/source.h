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

/* Lines of lists count (sample, step, bit, row, group). The list of pixel p, all pixels counted, is entries[starts[p]] up to
 * entries[starts[p + 1]]; an entry is column * channels of a group + channel, so that neighbours' lists are one. A map
 * is (samples, steps, rows, columns, channels). */
struct source {
    struct window window;
    uint32_t *starts;
    uint32_t *entries;
    const void *map;
    void *copy;                /* of which the map is one, if it is */
    size_t line, step, sample; /* pixels, or lists, from one line, step or sample to the next */
    size_t spikes;
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

/* The pixels of a block of a pool that are on the map. */
struct block {
    int y, last_y, x, last_x;
};

static struct block block_of(const struct connection *c, int y, int x) {
    struct block b = {y * c->pool[0], (y + 1) * c->pool[0], x * c->pool[1], (x + 1) * c->pool[1]};
    if (y < 0 || x < 0 || b.y >= c->height || b.x >= c->width) return (struct block){0, 0, 0, 0};
    if (b.last_y > c->height) b.last_y = c->height;
    if (b.last_x > c->width) b.last_x = c->width;
    return b;
}

/* Writes up to a vector more than it appends. */
static uint32_t *list_active(const uint8_t *bytes, int channels, int bit, uint32_t first, uint32_t *entries) {
    int channel = 0;
    for (; channel + VECTOR_BYTES <= channels; channel += VECTOR_BYTES)
        entries = append_active_of_vector(bytes + channel, bit, first + (uint32_t)channel, entries);
    for (; channel + LANES <= channels; channel += LANES)
        entries = append_active(bytes + channel, bit, first + (uint32_t)channel, entries);
    for (; channel < channels; channel++) {
        *entries = first + (uint32_t)channel;
        entries += bytes[channel] >> bit & 1;
    }
    return entries;
}

/* A line's lists of a source without pools: only the columns that are on the map have entries. */
static uint32_t *list_pixels(
    const struct connection *c, const struct layer *l, struct window w, const int at[5], uint32_t *starts,
    uint32_t *entries, const uint32_t *all
) {
    int each = c->channels / c->groups, y = w.y + at[3], x = 0;
    int is_inside = y >= 0 && y < c->height;
    int first = w.x < 0 ? -w.x : 0, last = is_inside && c->width - w.x < w.columns ? c->width - w.x : w.columns;
    if (!is_inside || first > last) first = last = w.columns;
    for (; x < first; x++) starts[x] = (uint32_t)(entries - all);
    const uint8_t *bytes = (const uint8_t *)c->messages + (size_t)at[4] * each;
    if (first < last) bytes += index_of_pixel(c, l, at[0], at[1], y, w.x + first);
    for (; x < last; x++, bytes += c->channels) {
        starts[x] = (uint32_t)(entries - all);
        entries = list_active(bytes, each, at[2], (uint32_t)(x * each), entries);
    }
    for (; x < w.columns; x++) starts[x] = (uint32_t)(entries - all);
    return entries;
}

static int has_pool(const struct connection *c) { return c->pool[0] > 1 || c->pool[1] > 1; }

/* A line's lists, starts included; a channel that is active several times in a pool is there as often. */
static uint32_t *list_line(
    const struct connection *c, const struct layer *l, struct window w, const int at[5], uint32_t *starts,
    uint32_t *entries, const uint32_t *all
) {
    int each = c->channels / c->groups;
    if (!has_pool(c)) return list_pixels(c, l, w, at, starts, entries, all);
    const uint8_t *messages = (const uint8_t *)c->messages + (size_t)at[4] * each;
    for (int x = 0; x < w.columns; x++) {
        struct block b = block_of(c, w.y + at[3], w.x + x);
        starts[x] = (uint32_t)(entries - all);
        for (int j = b.y; j < b.last_y; j++)
            for (int i = b.x; i < b.last_x; i++) {
                const uint8_t *bytes = messages + index_of_pixel(c, l, at[0], at[1], j, i);
                entries = list_active(bytes, each, at[2], (uint32_t)(x * each), entries);
            }
    }
    return entries;
}

static int make_lists(const struct connection *c, const struct layer *l, const struct part *part, struct source *s) {
    struct window w = s->window;
    size_t pixels = pixels_of(c, w) * c->bits * c->groups;
    s->line = (size_t)w.columns * c->groups;
    s->step = s->line * w.rows;
    s->sample = s->step * c->steps * c->bits;
    s->starts = malloc((pixels + 1) * sizeof *s->starts);
    s->entries = malloc((s->spikes + 2 * LANES) * sizeof *s->entries);
    if (!s->starts || !s->entries) return 1;
    uint32_t *starts = s->starts, *entries = s->entries;
    for (int n = 0; n < w.samples; n++)
        for (int t = 0; t < c->steps; t++)
            for (int bit = 0; bit < c->bits; bit++)
                for (int y = 0; y < w.rows; y++)
                    for (int g = 0; g < c->groups; g++, starts += w.columns) {
                        const int at[5] = {part->sample + n, t, bit, y, g};
                        entries = list_line(c, l, w, at, starts, entries, s->entries);
                    }
    *starts = (uint32_t)(entries - s->entries);
    return 0;
}

/* A pixel of a map in bytes: what its pool adds up to. */
static void write_bytes(const struct connection *c, const struct layer *l, struct block b, const int at[2], uint8_t *to) {
    int k = 0;
    for (; k + VECTOR_BYTES <= c->channels; k += VECTOR_BYTES) {
        bytes sum = {0};
        for (int j = b.y; j < b.last_y; j++) {
            const uint8_t *from = (const uint8_t *)c->messages + index_of_pixel(c, l, at[0], at[1], j, b.x) + k;
            for (int i = b.x; i < b.last_x; i++, from += c->channels) sum += load_whole_bytes(from);
        }
        memcpy(to + k, &sum, sizeof sum);
    }
    if (k == c->channels) return;
    memset(to + k, 0, (size_t)(c->channels - k));
    for (int j = b.y; j < b.last_y; j++)
        for (int i = b.x; i < b.last_x; i++) {
            const uint8_t *from = (const uint8_t *)c->messages + index_of_pixel(c, l, at[0], at[1], j, i);
            for (int rest = k; rest < c->channels; rest++) to[rest] = (uint8_t)(to[rest] + from[rest]);
        }
}

/* The same in 16 bits. */
static void write_halves(const struct connection *c, const struct layer *l, struct block b, const int at[2], int16_t *to) {
    memset(to, 0, (size_t)c->channels * sizeof *to);
    for (int j = b.y; j < b.last_y; j++)
        for (int i = b.x; i < b.last_x; i++) {
            size_t first = index_of_pixel(c, l, at[0], at[1], j, i);
            const uint8_t *bytes = (const uint8_t *)c->messages + first;
            const int16_t *halves_read = (const int16_t *)c->messages + first;
            for (int k = 0; k < c->channels; k++) to[k] = (int16_t)(to[k] + (c->is_wide ? halves_read[k] : bytes[k]));
        }
}

static void sum_line(
    const struct connection *c, const struct layer *l, struct window w, const int at[2], int y, uint8_t *to, int in_bytes
) {
    for (int x = 0; x < w.columns; x++) {
        struct block b = block_of(c, y, w.x + x);
        if (in_bytes)
            write_bytes(c, l, b, at, to + (size_t)x * c->channels);
        else
            write_halves(c, l, b, at, (int16_t *)to + (size_t)x * c->channels);
    }
}

/* A line of a source without pools, whose messages are as wide as the map's. */
static void copy_line(
    const struct connection *c, const struct layer *l, struct window w, const int at[2], int y, uint8_t *to, size_t pixel
) {
    int first = w.x < 0 ? -w.x : 0, last = c->width - w.x < w.columns ? c->width - w.x : w.columns;
    if (y < 0 || y >= c->height || last <= first) {
        memset(to, 0, (size_t)w.columns * pixel);
        return;
    }
    size_t bytes = pixel / (size_t)c->channels;
    const uint8_t *from = (const uint8_t *)c->messages + bytes * index_of_pixel(c, l, at[0], at[1], y, w.x + first);
    memset(to, 0, (size_t)first * pixel);
    memcpy(to + (size_t)first * pixel, from, (size_t)(last - first) * pixel);
    memset(to + (size_t)last * pixel, 0, (size_t)(w.columns - last) * pixel);
}

/* Whether every neuron reads bytes of the one at its own place. */
static int is_in_place(const struct connection *c, const struct layer *l) {
    int is_alone = c->kernel[0] == 1 && c->kernel[1] == 1 && c->channels == l->channels;
    int is_as_large = c->height == l->height && c->width == l->width && !c->padding[0] && !c->padding[1];
    return c->method == CHANNELS && is_alone && is_as_large && !has_pool(c) && !c->is_wide;
}

/* Whether the map of a connection is in bytes: sums of pools are proven to fit for BYTES alone. */
static int reads_bytes(const struct connection *c) {
    return c->method == BYTES || (c->method == CHANNELS && !c->is_wide && !has_pool(c));
}

static size_t size_of_map(const struct connection *c) { return reads_bytes(c) ? 1 : 2; }

/* Whether places can read the messages where they are: all of them are there, and four bytes at a time end with them. */
static int is_readable(const struct connection *c, struct window w) {
    int is_inside = w.x >= 0 && w.y >= 0 && w.x + w.columns <= c->width && w.y + w.rows <= c->height;
    int is_whole = (c->channels / c->groups * size_of_map(c)) % 4 == 0;
    return is_inside && is_whole && !has_pool(c) && size_of_map(c) == (c->is_wide ? 2 : 1) && c->method != COORDINATES;
}

static void read_in_place(const struct connection *c, const struct layer *l, const struct part *part, struct source *s) {
    size_t first = index_of_pixel(c, l, part->sample, 0, s->window.y, s->window.x) * size_of_map(c);
    s->map = (const uint8_t *)c->messages + first;
    s->line = (size_t)c->width;
    s->sample = s->line * c->height;
    s->step = s->sample * l->samples;
}

/* Sums of pools, or messages and zeros around them, in bytes or in 16 bits. */
static int make_map(const struct connection *c, const struct layer *l, const struct part *part, struct source *s) {
    struct window w = s->window;
    if (is_readable(c, w)) {
        read_in_place(c, l, part, s);
        return 0;
    }
    int in_bytes = reads_bytes(c), is_copied = !has_pool(c) && in_bytes == !c->is_wide;
    size_t pixel = (size_t)c->channels * size_of_map(c);
    uint8_t *to = malloc(pixels_of(c, w) * pixel + VECTOR_BYTES);
    if (!to) return 1;
    s->map = s->copy = to;
    s->line = (size_t)w.columns;
    s->step = s->line * w.rows;
    s->sample = s->step * c->steps;
    for (int n = 0; n < w.samples; n++)
        for (int t = 0; t < c->steps; t++)
            for (int y = 0; y < w.rows; y++) {
                const int at[2] = {part->sample + n, t};
                if (is_copied)
                    copy_line(c, l, w, at, w.y + y, to, pixel);
                else
                    sum_line(c, l, w, at, w.y + y, to, in_bytes);
                to += (size_t)w.columns * pixel;
            }
    return 0;
}

/* Bits of so many bytes; those of each are counted side by side in 64 bits for as long as they fit. */
static size_t bits_in(const uint8_t *bytes, size_t length) {
    enum { WORDS_AT_ONCE = 31 };
    const uint64_t odd = 0x5555555555555555, pairs = 0x3333333333333333, low = 0x0f0f0f0f0f0f0f0f;
    size_t bits = 0, i = 0;
    while (i + 8 <= length) {
        size_t last = length - i > 8 * WORDS_AT_ONCE ? i + 8 * WORDS_AT_ONCE : i + (length - i) / 8 * 8;
        uint64_t counts = 0;
        for (; i < last; i += 8) {
            uint64_t eight;
            memcpy(&eight, bytes + i, 8);
            eight -= eight >> 1 & odd;
            eight = (eight & pairs) + (eight >> 2 & pairs);
            counts += (eight + (eight >> 4)) & low;
        }
        counts = (counts & 0x00ff00ff00ff00ff) + (counts >> 8 & 0x00ff00ff00ff00ff);
        bits += (size_t)(counts * 0x0001000100010001 >> 48);
    }
    for (; i < length; i++) bits += (size_t)__builtin_popcount(bytes[i]);
    return bits;
}

/* Spikes in the rows that are read, every bit of a count counted. */
static size_t spikes_in(const struct connection *c, const struct layer *l, struct window w, const struct part *part) {
    int first = w.y * c->pool[0], last = (w.y + w.rows) * c->pool[0];
    first = first < 0 ? 0 : first > c->height ? c->height : first;
    last = last > c->height ? c->height : last < first ? first : last;
    size_t length = (size_t)(last - first) * c->width * c->channels, spikes = 0;
    for (int n = 0; n < w.samples; n++)
        for (int t = 0; t < c->steps; t++)
            spikes += bits_in((const uint8_t *)c->messages + index_of_pixel(c, l, part->sample + n, t, first, 0), length);
    return spikes;
}

static int read_source(const struct connection *c, const struct layer *l, const struct part *part, struct source *s) {
    *s = (struct source){.window = window_of(c, l, part)};
    if (c->method == CURRENTS || is_in_place(c, l)) return 0;
    if (c->method != BYTES && c->method != WORDS) return make_map(c, l, part, s);
    int has_product = c->method == BYTES && c->dense, is_always = has_product && c->break_even <= 0;
    s->spikes = is_always ? 0 : spikes_in(c, l, s->window, part);
    double places = (double)pixels_of(c, s->window) * c->channels;
    s->is_product = is_always || (has_product && (double)s->spikes > c->break_even * places);
    return s->is_product ? make_map(c, l, part, s) : make_lists(c, l, part, s);
}

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
