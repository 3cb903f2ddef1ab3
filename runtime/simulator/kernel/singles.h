/* What meets single weights: channel by channel products, weights at coordinates, and sums that are there already. */
#ifndef SPIKEC_SINGLES_H
#define SPIKEC_SINGLES_H

#include "rows.h"

/* Where a chunk's first place lies in a map of the target. */
static size_t first_of(const struct layer *l, const struct part *part, const struct chunk *chunk) {
    size_t lines = (size_t)part->sample * l->height + part->row;
    return (lines * l->width + chunk->first) * l->channels;
}

/* Every channel of a chunk's places times the weight of its own; bytes lie as sums do. */
static void add_in_place(
    const struct connection *c, const struct layer *l, const struct part *part, const struct chunk *chunk, int32_t *sums
) {
    size_t count = (size_t)places_of(chunk) * l->channels, plane = (size_t)l->samples * l->height * l->width * l->channels;
    const uint8_t *read = (const uint8_t *)c->messages + first_of(l, part, chunk);
    const int32_t *weights = c->rows;
    for (int t = 0; t < l->received; t++, sums += count) {
        const uint8_t *bytes = read + (c->steps == 1 ? 0 : t) * plane;
        size_t i = 0, w = 0, last = c->block / LANES * LANES == c->block ? count / LANES * LANES : 0;
        for (; i < last; i += LANES, w = w + LANES == (size_t)c->block ? 0 : w + LANES)
            store_words(sums + i, load_words(sums + i) + load_words(weights + w) * c->factor * load_bytes(bytes + i));
        for (; i < count; i++) sums[i] += weights[i % (size_t)c->block] * c->factor * bytes[i];
    }
}

/* Sums that are there already. */
static void add_currents(
    const struct connection *c, const struct layer *l, const struct part *part, const struct chunk *chunk, int32_t *sums
) {
    size_t count = (size_t)places_of(chunk) * l->channels, plane = (size_t)l->samples * l->height * l->width * l->channels;
    const int32_t *currents = (const int32_t *)c->messages + first_of(l, part, chunk);
    for (int t = 0; t < l->received; t++, sums += count)
        add_scaled(sums, currents + (c->steps == 1 ? 0 : t) * plane, c->factor, (int)count);
}

/* Messages of one pixel times a weight and a factor for each channel; every channel of the source serves several. */
INLINE void add_channels_of_tap(
    const int32_t *restrict weights, const void *read, int in_bytes, int32_t factor, int count, int repeats,
    int32_t *restrict sums
) {
    const uint8_t *bytes = read;
    const int16_t *halves_read = read;
    if (repeats == 1 && in_bytes) {
        int o = 0;
        for (; o + LANES <= count; o += LANES)
            store_words(sums + o, load_words(sums + o) + load_words(weights + o) * load_bytes(bytes + o) * factor);
        for (; o < count; o++) sums[o] += factor * weights[o] * bytes[o];
    } else if (repeats == 1)
        for (int o = 0; o < count; o++) sums[o] += factor * weights[o] * halves_read[o];
    else
        for (int o = 0; o < count; o++) {
            int channel = o / repeats;
            sums[o] += factor * weights[o] * (in_bytes ? bytes[channel] : halves_read[channel]);
        }
}

/* Weights (taps, channels of the target). */
static void add_channels(
    const struct connection *c, const struct layer *l, const struct source *s, const struct chunk *chunk, int32_t *sums
) {
    struct window w = s->window;
    int in_bytes = reads_bytes(c), places = places_of(chunk), serves = l->channels / c->channels;
    size_t pixel = (size_t)c->channels * (in_bytes ? 1 : 2), step = (size_t)w.rows * w.columns * pixel;
    for (int k = 0; k < l->received * places; k++, sums += l->channels) {
        struct place at = place_of(chunk, chunk->first + k % places);
        size_t line = (size_t)at.sample * c->steps * w.rows + at.y * c->stride[0];
        const uint8_t *first = (const uint8_t *)s->map + (line * w.columns + at.x * c->stride[1]) * pixel;
        first += (c->steps == 1 ? 0 : k / places) * step;
        for (int tap = 0; tap < c->kernel[0] * c->kernel[1]; tap++) {
            int row = tap / c->kernel[1] * c->dilation[0], column = tap % c->kernel[1] * c->dilation[1];
            const uint8_t *read = first + ((size_t)row * w.columns + column) * pixel;
            const int32_t *weights = (const int32_t *)c->rows + (size_t)tap * l->channels;
            add_channels_of_tap(weights, read, in_bytes, c->factor, l->channels, serves, sums);
        }
    }
}

/* Entries starts[i] up to starts[i + 1] are those of source i, a target and a weight each; block: sources with any. */
static void add_coordinates(
    const struct connection *c, const struct layer *l, const struct source *s, const struct chunk *chunk, int32_t *sums
) {
    const int32_t *weights = c->rows;
    int places = places_of(chunk);
    for (int k = 0; k < l->received * places; k++, sums += l->channels) {
        size_t place = (size_t)(chunk->first + k % places), step = c->steps == 1 ? 0 : (size_t)(k / places);
        const int16_t *read = (const int16_t *)s->map + (place * c->steps + step) * c->channels;
        for (int i = 0; i < c->block; i++) {
            if (!read[i]) continue;
            for (int e = c->starts[i]; e < c->starts[i + 1]; e++)
                sums[c->targets[e]] += c->factor * read[i] * weights[e];
        }
    }
}

#endif
