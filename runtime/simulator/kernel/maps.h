/* Maps: sums of pools, or messages and zeros around them. */
#ifndef SPIKEC_MAPS_H
#define SPIKEC_MAPS_H

#include "source.h"

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

/* A pixel of a map in bytes: what its pool adds up to. */
static void write_bytes(const struct connection *c, const struct layer *l, struct block b, const int at[2], uint8_t *to) {
    size_t channels = (size_t)c->channels, line = c->width * channels, k = 0;
    const uint8_t *first = (const uint8_t *)c->messages + index_of_pixel(c, l, at[0], at[1], b.y, b.x);
    const uint8_t *last = first + (size_t)(b.last_y - b.y) * line;
    size_t width = (size_t)(b.last_x - b.x) * channels;
    for (; k + VECTOR_BYTES <= channels; k += VECTOR_BYTES) {
        bytes sum = {0};
        for (const uint8_t *row = first; row < last; row += line)
            for (size_t i = 0; i < width; i += channels) {
                __builtin_prefetch(row + i + k + c->pool[0] * line);
                sum += load_whole_bytes(row + i + k);
            }
        memcpy(to + k, &sum, sizeof sum);
    }
    if (k == channels) return;
    memset(to + k, 0, channels - k);
    for (const uint8_t *row = first; row < last; row += line)
        for (size_t i = 0; i < width; i += channels)
            for (size_t rest = k; rest < channels; rest++) to[rest] = (uint8_t)(to[rest] + row[i + rest]);
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

/* Whether the map of a connection is in bytes: sums of pools are proven to fit where rows can be added. */
static int reads_bytes(const struct connection *c) {
    return c->method == BYTES || c->method == WORDS || (c->method == CHANNELS && !c->is_wide && !has_pool(c));
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

#endif
