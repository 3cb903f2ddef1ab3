/* How a source is read: as lists where few of its channels are active, as a map where a product takes less time. */
#ifndef SPIKEC_READING_H
#define SPIKEC_READING_H

#include "lists.h"

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

/* Bits that are set in the messages of the rows that are read. */
static size_t bits_in_messages(
    const struct connection *c, const struct layer *l, struct window w, const struct part *part
) {
    int first = w.y < 0 ? 0 : w.y > c->height ? c->height : w.y, last = w.y + w.rows;
    last = last > c->height ? c->height : last < first ? first : last;
    size_t length = (size_t)(last - first) * c->width * c->channels, bits = 0;
    for (int n = 0; n < w.samples; n++)
        for (int t = 0; t < c->steps; t++)
            bits += bits_in((const uint8_t *)c->messages + index_of_pixel(c, l, part->sample + n, t, first, 0), length);
    return bits;
}

static int read_source(const struct connection *c, const struct layer *l, const struct part *part, struct source *s) {
    *s = (struct source){.window = window_of(c, l, part)};
    if (c->method == CURRENTS || is_in_place(c, l)) return 0;
    if (c->method != BYTES && c->method != WORDS) return make_map(c, l, part, s);
    int has_product = c->method == BYTES && c->dense, is_always = has_product && c->break_even <= 0;
    if ((is_always || has_pool(c)) && make_map(c, l, part, s)) return 1;
    s->is_product = is_always;
    if (is_always) return 0;
    double places = (double)pixels_of(c, s->window) * c->channels;
    s->active = s->map ? bits_in(s->map, (size_t)places) : bits_in_messages(c, l, s->window, part);
    s->is_product = has_product && (double)s->active > c->break_even * places;
    if (!s->is_product) return make_lists(c, l, part, s);
    return s->map ? 0 : make_map(c, l, part, s);
}

#endif
