/* What a part of the work reads of a source: lists of active channels, or a small map of its own; pools are summed. */
#ifndef SPIKEC_SOURCE_H
#define SPIKEC_SOURCE_H

#include <stdlib.h>

#include "layer.h"
#include "vectors.h"

/* Rows of a pooled source, from the first up to the last, that some rows of the target read. */
struct window {
    int first, last, columns, samples;
};

/* The lists or the map of one connection for one part. Places count (sample, step, bit, row, column, group). */
struct source {
    struct window window;
    uint32_t *starts;
    uint32_t *entries;
    void *map;
    int is_product, most;
};

static int pooled_size(const struct connection *c, int axis) {
    int size = axis ? c->width : c->height;
    return (size + c->pool[axis] - 1) / c->pool[axis];
}

static struct window window_of(const struct connection *c, const struct part *part) {
    int first = part->row * c->stride[0] - c->padding[0];
    int last = (part->last_row - 1) * c->stride[0] + (c->kernel[0] - 1) * c->dilation[0] - c->padding[0] + 1;
    int size = pooled_size(c, 0);
    first = first < 0 ? 0 : first > size ? size : first;
    last = last > size ? size : last < first ? first : last;
    return (struct window){first, last, pooled_size(c, 1), part->last_sample - part->sample};
}

static size_t index_of_pixel(const struct connection *c, const struct layer *l, int step, int sample, int y, int x) {
    return ((((size_t)step * l->samples + sample) * c->height + y) * c->width + x) * c->channels;
}

static uint32_t *list_active(const uint8_t *bytes, int channels, int bit, uint32_t *entries) {
    int channel = 0;
    for (; channel + 64 <= channels; channel += 64)
        for (uint64_t mask = bytes_with_bit(bytes + channel, bit); mask; mask &= mask - 1)
            *entries++ = (uint32_t)(channel + __builtin_ctzll(mask));
    for (; channel < channels; channel++) {
        *entries = (uint32_t)channel;
        entries += bytes[channel] >> bit & 1;
    }
    return entries;
}

/* The active channels of a group in one pooled pixel, some of them several times. */
static uint32_t *list_pixel(
    const struct connection *c, const struct layer *l, const int at[5], int group, uint32_t *entries
) {
    int each = c->channels / c->groups, y = at[3] * c->pool[0], x = at[4] * c->pool[1];
    const uint8_t *messages = c->messages;
    for (int j = y; j < y + c->pool[0] && j < c->height; j++)
        for (int i = x; i < x + c->pool[1] && i < c->width; i++) {
            const uint8_t *bytes = messages + index_of_pixel(c, l, at[1], at[0], j, i) + group * each;
            entries = list_active(bytes, each, at[2], entries);
        }
    return entries;
}

static int make_lists(const struct connection *c, const struct layer *l, const struct part *part, struct source *s) {
    struct window w = s->window;
    size_t pixels = (size_t)w.samples * c->steps * c->bits * (w.last - w.first) * w.columns;
    size_t most = pixels * c->channels * c->pool[0] * c->pool[1];
    s->starts = malloc((pixels * c->groups + 1) * sizeof *s->starts);
    s->entries = malloc((most + 1) * sizeof *s->entries);
    if (!s->starts || !s->entries) return 1;
    uint32_t *start = s->starts, *entries = s->entries;
    for (int n = 0; n < w.samples; n++)
        for (int t = 0; t < c->steps; t++)
            for (int bit = 0; bit < c->bits; bit++)
                for (int y = w.first; y < w.last; y++)
                    for (int x = 0; x < w.columns; x++)
                        for (int g = 0; g < c->groups; g++) {
                            *start++ = (uint32_t)(entries - s->entries);
                            entries = list_pixel(c, l, (int[5]){part->sample + n, t, bit, y, x}, g, entries);
                        }
    *start = (uint32_t)(entries - s->entries);
    return 0;
}

INLINE int message_at(const struct connection *c, size_t index) {
    return c->is_wide ? ((const int16_t *)c->messages)[index] : ((const uint8_t *)c->messages)[index];
}

static void sum_pixel(const struct connection *c, const struct layer *l, const int at[4], int32_t *sums) {
    memset(sums, 0, (size_t)c->channels * sizeof *sums);
    int y = at[2] * c->pool[0], x = at[3] * c->pool[1];
    for (int j = y; j < y + c->pool[0] && j < c->height; j++)
        for (int i = x; i < x + c->pool[1] && i < c->width; i++) {
            size_t index = index_of_pixel(c, l, at[1], at[0], j, i);
            for (int k = 0; k < c->channels; k++) sums[k] += message_at(c, index + k);
        }
}

/* Sums of pools as (samples, steps, rows, columns, channels), in bytes or 16 bits. */
static int make_map(
    const struct connection *c, const struct layer *l, const struct part *part, struct source *s, int in_bytes
) {
    struct window w = s->window;
    size_t pixels = (size_t)w.samples * c->steps * (w.last - w.first) * w.columns;
    uint8_t *bytes = malloc(pixels * c->channels * (in_bytes ? 1 : 2) + 64);
    int32_t *sums = malloc((size_t)c->channels * sizeof *sums);
    s->map = bytes;
    if (!bytes || !sums) {
        free(sums);
        return 1;
    }
    int is_copy = in_bytes && !c->is_wide && c->pool[0] == 1 && c->pool[1] == 1;
    int16_t *halves_out = s->map;
    for (int n = 0; n < w.samples; n++)
        for (int t = 0; t < c->steps; t++)
            for (int y = w.first; y < w.last; y++)
                for (int x = 0; x < w.columns; x++) {
                    if (is_copy) {
                        size_t index = index_of_pixel(c, l, t, part->sample + n, y, x);
                        memcpy(bytes, (const uint8_t *)c->messages + index, (size_t)c->channels);
                        bytes += c->channels;
                        continue;
                    }
                    sum_pixel(c, l, (int[4]){part->sample + n, t, y, x}, sums);
                    if (in_bytes)
                        for (int k = 0; k < c->channels; k++) *bytes++ = (uint8_t)sums[k];
                    else
                        for (int k = 0; k < c->channels; k++) *halves_out++ = (int16_t)sums[k];
                }
    free(sums);
    return 0;
}

/* The share of channels with a spike, those of a pool and those of the bits of a count added up. */
static double share_of_spikes(const struct connection *c, const struct layer *l, const struct part *part) {
    struct window w = window_of(c, part);
    const uint8_t *messages = c->messages;
    int first = w.first * c->pool[0], last = w.last * c->pool[0];
    if (last > c->height) last = c->height;
    size_t length = (size_t)(last - first) * c->width * c->channels, spikes = 0;
    for (int n = 0; n < w.samples; n++)
        for (int t = 0; t < c->steps; t++) {
            const uint8_t *bytes = messages + index_of_pixel(c, l, t, part->sample + n, first, 0);
            for (int bit = 0; bit < c->bits; bit++)
                for (size_t i = 0; i < length; i++) spikes += bytes[i] >> bit & 1;
        }
    size_t places = (size_t)w.samples * c->steps * (w.last - w.first) * w.columns * c->channels;
    return places ? (double)spikes / (double)places : 0.0;
}

static int read_source(const struct connection *c, const struct layer *l, const struct part *part, struct source *s) {
    *s = (struct source){.window = window_of(c, part)};
    s->most = c->kernel[0] * c->kernel[1] * (c->channels / c->groups) * c->pool[0] * c->pool[1];
    if (c->method == CURRENTS) return 0;
    s->is_product = c->method == BYTES && c->dense && share_of_spikes(c, l, part) > c->break_even;
    if (s->is_product) return make_map(c, l, part, s, 1);
    if (c->method == BYTES || c->method == WORDS) return make_lists(c, l, part, s);
    return make_map(c, l, part, s, 0);
}

static void drop_source(struct source *s) {
    free(s->starts);
    free(s->entries);
    free(s->map);
}

#endif
