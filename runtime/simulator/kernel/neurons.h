/* What neurons do with the sums of their input, and where it is written: (steps, samples, height, width, channels). */
#ifndef SPIKEC_NEURONS_H
#define SPIKEC_NEURONS_H

#include "rows.h"

INLINE void fire_once(
    int32_t *restrict v, const int32_t *restrict sum, const int32_t *restrict bias, const int32_t *restrict threshold,
    int32_t lowest, int32_t highest, int count, uint8_t *restrict spikes
) {
    for (int o = 0; o < count; o++) {
        int32_t u = v[o] + sum[o] + bias[o];
        u = u < lowest ? lowest : u > highest ? highest : u;
        int32_t fires = u >= threshold[o];
        spikes[o] = (uint8_t)fires;
        v[o] = u - (fires ? threshold[o] : 0);
    }
}

static void fire(const struct layer *l, const int32_t *sums, size_t parameters, size_t output, int32_t *v) {
    size_t plane = (size_t)l->samples * l->height * l->width * l->channels;
    size_t period = l->alike ? (size_t)l->channels : (size_t)l->height * l->width * l->channels;
    const int32_t *threshold = l->threshold + parameters;
    memcpy(v, l->initial + parameters, (size_t)l->channels * sizeof *v);
    for (int t = 0; t < l->steps; t++) {
        const int32_t *bias = l->bias + period * (size_t)(t % l->bias_steps) + parameters;
        const int32_t *sum = sums + (size_t)t * l->channels;
        uint8_t *spikes = (uint8_t *)l->output + (size_t)t * plane + output;
        fire_once(v, sum, bias, threshold, l->lowest, l->highest, l->channels, spikes);
    }
}

static void integrate(const struct layer *l, const int32_t *sums, size_t parameters, size_t output) {
    size_t period = l->alike ? (size_t)l->channels : (size_t)l->height * l->width * l->channels;
    int32_t *v = (int32_t *)l->output + output;
    memcpy(v, l->initial + parameters, (size_t)l->channels * sizeof *v);
    for (int t = 0; t < l->steps; t++) {
        const int32_t *bias = l->bias + period * (size_t)(t % l->bias_steps) + parameters;
        for (int o = 0; o < l->channels; o++) {
            int32_t u = v[o] + sums[(size_t)t * l->channels + o] + bias[o];
            v[o] = u < l->lowest ? l->lowest : u > l->highest ? l->highest : u;
        }
    }
}

/* Quotients of 32 bits are whole numbers or at least 2^-31 away from one, which 64-bit floats tell apart. */
INLINE int32_t floored(int32_t u, int32_t threshold) {
    int32_t quotient = (int32_t)((double)u / (double)threshold);
    return quotient - (quotient * threshold > u);
}

static void divide(const struct layer *l, const int32_t *sums, size_t parameters, size_t output, int32_t *sent) {
    const int32_t *initial = l->initial + parameters, *threshold = l->threshold + parameters;
    for (int o = 0; o < l->channels; o++) {
        int32_t u = initial[o] + sums[o];
        u = u < l->lowest ? l->lowest : u > l->highest ? l->highest : u;
        int32_t quotient = floored(u, threshold[o]);
        sent[o] = quotient < l->least ? l->least : quotient > l->most ? l->most : quotient;
    }
    switch (l->width_of_output) {
    case 1:
        for (int o = 0; o < l->channels; o++) ((uint8_t *)l->output)[output + o] = (uint8_t)sent[o];
        break;
    case 2:
        for (int o = 0; o < l->channels; o++) ((uint16_t *)l->output)[output + o] = (uint16_t)sent[o];
        break;
    default: memcpy((int32_t *)l->output + output, sent, (size_t)l->channels * sizeof *sent);
    }
}

static void pass(const struct layer *l, const int32_t *sums, size_t output) {
    size_t plane = (size_t)l->samples * l->height * l->width * l->channels;
    for (int t = 0; t < l->steps; t++)
        memcpy((int32_t *)l->output + (size_t)t * plane + output, sums + (size_t)t * l->channels,
               (size_t)l->channels * sizeof *sums);
}

/* One place; v has room for its channels. */
static void run_neurons(
    const struct layer *l, const int32_t *sums, const struct part *part, struct place at, int32_t *v
) {
    size_t place = ((size_t)(part->row + at.y) * l->width + at.x) * l->channels;
    size_t output = (size_t)(part->sample + at.sample) * l->height * l->width * l->channels + place, parameters = l->alike ? 0 : place;
    switch (l->neuron) {
    case FIRE: fire(l, sums, parameters, output, v); break;
    case DIVIDE: divide(l, sums, parameters, output, v); break;
    case INTEGRATE: integrate(l, sums, parameters, output); break;
    default: pass(l, sums, output);
    }
}

#endif
