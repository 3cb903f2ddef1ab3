/* Lists of active channels: of every pixel that is read, at every step, plane by plane. */
#ifndef SPIKEC_LISTS_H
#define SPIKEC_LISTS_H

#include "maps.h"

enum { ENTRIES_AT_ONCE = 4 * LANES };

/* Whether the highest bit of what is read is set alone, and counts as two of the one beneath it. */
static int halves_highest(const struct connection *c) { return c->largest > 1 && !(c->largest & (c->largest - 1)); }

/* Planes that what is read is listed in: a channel is in plane k if bit k is set. */
static int planes_of(const struct connection *c) {
    int bits = 1;
    while (c->largest >> bits) bits++;
    return bits - halves_highest(c);
}

/* Appends the channels that have one of these bits; writes up to a vector more. */
INLINE uint32_t *list_bits(const uint8_t *bytes, int channels, uint8_t bits, uint32_t first, uint32_t *entries) {
    int channel = 0;
    for (; channel + VECTOR_BYTES <= channels; channel += VECTOR_BYTES)
        entries = append_active_of_vector(bytes + channel, bits, first + (uint32_t)channel, entries);
    for (; channel + LANES <= channels; channel += LANES)
        entries = append_active(bytes + channel, bits, first + (uint32_t)channel, entries);
    for (; channel < channels; channel++) {
        *entries = first + (uint32_t)channel;
        entries += (bytes[channel] & bits) != 0;
    }
    return entries;
}

/* The columns of a line that have messages: from pixels on, so many bytes each. */
struct line {
    const uint8_t *pixels;
    int first, last, channels;
};

/* A line of messages, of which only the columns on the map are there, or of a map of them, which has all. */
static struct line line_of(
    const struct connection *c, const struct layer *l, const struct part *part, const struct source *s, int sample,
    int step, int row
) {
    struct window w = s->window;
    if (s->map) {
        size_t line = (((size_t)sample * c->steps + step) * w.rows + row) * w.columns;
        return (struct line){(const uint8_t *)s->map + line * c->channels, 0, w.columns, c->channels};
    }
    int y = w.y + row, first = w.x < 0 ? -w.x : 0, last = c->width - w.x < w.columns ? c->width - w.x : w.columns;
    if (y < 0 || y >= c->height || first >= last) return (struct line){c->messages, w.columns, w.columns, c->channels};
    size_t pixel = index_of_pixel(c, l, part->sample + sample, step, y, w.x + first);
    return (struct line){(const uint8_t *)c->messages + pixel, first, last, c->channels};
}

/* A group's lists of a line, starts included, of channels that have one of these bits; those of twice are there twice. */
static uint32_t *list_line(
    struct line line, int columns, int group, int each, uint8_t bits, uint8_t twice, uint32_t *starts, uint32_t *entries,
    const uint32_t *all
) {
    const uint8_t *bytes = line.pixels + (size_t)group * each;
    int x = 0;
    for (; x < line.first; x++) starts[x] = (uint32_t)(entries - all);
    for (; x < line.last; x++, bytes += line.channels) {
        starts[x] = (uint32_t)(entries - all);
        entries = list_bits(bytes, each, bits, (uint32_t)(x * each), entries);
        if (twice) entries = list_bits(bytes, each, twice, (uint32_t)(x * each), entries);
    }
    for (; x < columns; x++) starts[x] = (uint32_t)(entries - all);
    return entries;
}

static int make_lists(const struct connection *c, const struct layer *l, const struct part *part, struct source *s) {
    struct window w = s->window;
    int each = c->channels / c->groups, planes = planes_of(c), is_halved = halves_highest(c);
    size_t pixels = pixels_of(c, w) * planes * c->groups;
    s->plane = (size_t)w.columns * c->groups;
    s->line = s->plane * planes;
    s->step = s->line * w.rows;
    s->sample = s->step * c->steps;
    s->starts = malloc((pixels + 1) * sizeof *s->starts);
    s->entries = malloc((s->active * (1 + is_halved) + ENTRIES_AT_ONCE) * sizeof *s->entries);
    if (!s->starts || !s->entries) return 1;
    uint32_t *starts = s->starts, *entries = s->entries;
    for (int line = 0; line < w.samples * c->steps * w.rows; line++) {
        int row = line % w.rows, step = line / w.rows % c->steps, sample = line / w.rows / c->steps;
        struct line read = line_of(c, l, part, s, sample, step, row);
        for (int plane = 0; plane < planes; plane++) {
            uint8_t twice = (uint8_t)(is_halved && plane == planes - 1 ? c->largest : 0), bits = (uint8_t)(1 << plane | twice);
            for (int g = 0; g < c->groups; g++, starts += w.columns)
                entries = list_line(read, w.columns, g, each, bits, twice, starts, entries, s->entries);
        }
    }
    *starts = (uint32_t)(entries - s->entries);
    return 0;
}

#endif
