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

/* Where each tap reads, in bytes from where a place begins; 1 where memory is short. */
static int make_room_for_channels(const struct connection *c, int places, struct source *s) {
    size_t pixel = (size_t)c->channels * size_of_map(c);
    int taps = c->kernel[0] * c->kernel[1];
    s->places = malloc((size_t)places * sizeof *s->places);
    s->offsets = malloc((size_t)taps * sizeof *s->offsets);
    if (!s->places || !s->offsets) return 1;
    for (int tap = 0; tap < taps; tap++) {
        int row = tap / c->kernel[1] * c->dilation[0], column = tap % c->kernel[1] * c->dilation[1];
        s->offsets[tap] = (int32_t)((row * s->line + column) * pixel);
    }
    return 0;
}

INLINE words load_messages(const uint8_t *from, int channel, int in_bytes) {
    return in_bytes ? load_bytes(from + channel) : load_shorts((const int16_t *)from + channel);
}

/* What a place receives of sources that serve one channel each; returns up to which of them. */
INLINE int add_vectors_of_channels(
    const struct connection *c, const struct source *s, const uint8_t *read, int channels, int in_bytes, int is_first,
    int32_t *sums
) {
    const words none = {0};
    int taps = c->kernel[0] * c->kernel[1], o = 0;
    for (; o + LANES <= channels; o += LANES) {
        const int32_t *weights = (const int32_t *)c->rows + o;
        words sum = none;
        for (int tap = 0; tap < taps; tap++, weights += channels)
            sum += load_words(weights) * load_messages(read + s->offsets[tap], o, in_bytes);
        store_words(sums + o, (is_first ? none : load_words(sums + o)) + sum * c->factor);
    }
    return o;
}

/* The same for channels from one on, of which several may have the same source. */
static void add_single_channels(
    const struct connection *c, const struct source *s, const uint8_t *read, int channels, int from, int is_first,
    int32_t *sums
) {
    int taps = c->kernel[0] * c->kernel[1], serves = channels / c->channels, in_bytes = reads_bytes(c);
    for (int o = from; o < channels; o++) {
        int32_t sum = 0, channel = o / serves;
        for (int tap = 0; tap < taps; tap++) {
            const uint8_t *pixel = read + s->offsets[tap];
            int32_t message = in_bytes ? pixel[channel] : ((const int16_t *)pixel)[channel];
            sum += ((const int32_t *)c->rows)[(size_t)tap * channels + o] * message;
        }
        sums[o] = (is_first ? 0 : sums[o]) + c->factor * sum;
    }
}

/* Weights (taps, channels of the target): adds what a chunk's places receive to their sums, or sets these. */
static void add_channels(
    const struct connection *c, const struct layer *l, const struct source *s, const struct chunk *chunk, int is_first,
    int32_t *sums
) {
    int in_bytes = reads_bytes(c), places = places_of(chunk);
    size_t pixel = (size_t)c->channels * size_of_map(c);
    find_starts(c, s, chunk);
    for (int t = 0; t < l->received; t++)
        for (int k = 0; k < places; k++, sums += l->channels) {
            const uint8_t *read = (const uint8_t *)s->map + (s->places[k].first + (c->steps == 1 ? 0 : t) * s->step) * pixel;
            int done = 0;
            if (l->channels == c->channels && in_bytes)
                done = add_vectors_of_channels(c, s, read, l->channels, 1, is_first, sums);
            else if (l->channels == c->channels)
                done = add_vectors_of_channels(c, s, read, l->channels, 0, is_first, sums);
            add_single_channels(c, s, read, l->channels, done, is_first, sums);
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
