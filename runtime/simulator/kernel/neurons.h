/* What neurons do with the sums of their input, and where it is written: (steps, samples, height, width, channels). */
#ifndef SPIKEC_NEURONS_H
#define SPIKEC_NEURONS_H

#include "vectors.h"

#include "layer.h"

/* Neurons that lie next to each other. Their sums are plane_of_sums further at each step; after period of them their
 * parameters are the first ones again. Output counts from output on. */
struct run {
    const struct layer *layer;
    const int32_t *sums, *bias, *threshold, *initial;
    size_t count, period, plane_of_sums, output;
};

static size_t neurons_of(const struct layer *l) { return (size_t)l->height * l->width * l->channels; }

/* How much further the biases of the next step are. */
static size_t plane_of_biases(const struct layer *l) {
    if (l->bias_steps == 1) return 0;
    return l->alike ? (size_t)l->period : neurons_of(l);
}

INLINE words bounded(const struct layer *l, words u) {
    const words nothing = {0};
    return smaller(larger(u, nothing + l->lowest), nothing + l->highest);
}

static int saturates(const struct layer *l) { return l->lowest > INT32_MIN || l->highest < INT32_MAX; }

/* Lanes of neurons, from the i-th on, whose parameters are the p-th and those that follow; adds their spikes. */
INLINE void fire_steps(
    const struct run *r, size_t plane, size_t more_biases, size_t i, size_t p, int lanes, int bounds, words *spikes
) {
    const struct layer *l = r->layer;
    int steps = l->steps;
    size_t more_sums = r->plane_of_sums;
    const int32_t *sum = r->sums + i, *bias = r->bias + p;
    uint8_t *to = (uint8_t *)l->output + r->output + i, some[LANES];
    words v = load_some(r->initial + p, lanes), threshold = load_some(r->threshold + p, lanes);
    for (int lane = lanes; lane < LANES; lane++) threshold[lane] = INT32_MAX;
    for (int t = 0; t < steps; t++, sum += more_sums, bias += more_biases, to += plane) {
        words u = v + (load_some(sum, lanes) + load_some(bias, lanes));
        if (bounds) u = bounded(l, u);
        v = fire_lanes(u, threshold, lanes == LANES ? to : some, spikes);
        if (lanes < LANES) memcpy(to, some, (size_t)lanes);
    }
}

INLINE int64_t fire_all(const struct run *r, int bounds) {
    size_t plane = (size_t)r->layer->samples * neurons_of(r->layer), more_biases = plane_of_biases(r->layer);
    size_t i = 0, p = 0;
    words spikes = {0};
    for (; i + LANES <= r->count; i += LANES, p += LANES) {
        if (p == r->period) p = 0;
        fire_steps(r, plane, more_biases, i, p, LANES, bounds, &spikes);
    }
    int left = (int)(r->count - i);
    if (left) fire_steps(r, plane, more_biases, i, p == r->period ? 0 : p, left, bounds, &spikes);
    int64_t total = 0;
    for (int lane = 0; lane < LANES; lane++) total += spikes[lane];
    return total;
}

/* Returns the spikes of all neurons and steps. */
static int64_t fire(const struct run *r) { return saturates(r->layer) ? fire_all(r, 1) : fire_all(r, 0); }

INLINE void integrate_lanes(const struct run *r, size_t i, size_t p, int lanes) {
    const struct layer *l = r->layer;
    words v = load_some(r->initial + p, lanes);
    for (int t = 0; t < l->steps; t++) {
        words sum = load_some(r->sums + (size_t)t * r->plane_of_sums + i, lanes);
        v = bounded(l, v + sum + load_some(r->bias + (size_t)t * plane_of_biases(l) + p, lanes));
    }
    memcpy((int32_t *)l->output + r->output + i, &v, (size_t)lanes * sizeof(int32_t));
}

static void integrate(const struct run *r) {
    for (size_t i = 0; i < r->count; i += LANES)
        integrate_lanes(r, i, i % r->period, r->count - i < LANES ? (int)(r->count - i) : LANES);
}

/* Quotients of 32 bits are whole numbers or at least 2^-31 away from one, which 64-bit floats tell apart. */
INLINE int32_t floored(int32_t u, int32_t threshold) {
    int32_t quotient = (int32_t)((double)u / (double)threshold);
    return quotient - (quotient * threshold > u);
}

INLINE void divide_lanes(const struct run *r, size_t i, size_t p, int lanes) {
    const struct layer *l = r->layer;
    int32_t u[LANES], threshold[LANES], sent[LANES];
    words sum = bounded(l, load_some(r->initial + p, lanes) + load_some(r->sums + i, lanes));
    memcpy(u, &sum, sizeof u);
    for (int k = 0; k < LANES; k++) threshold[k] = 1;
    memcpy(threshold, r->threshold + p, (size_t)lanes * sizeof *threshold);
    for (int k = 0; k < LANES; k++) {
        int32_t quotient = floored(u[k], threshold[k]);
        sent[k] = quotient < l->least ? l->least : quotient > l->most ? l->most : quotient;
    }
    size_t to = r->output + i;
    switch (l->width_of_output) {
    case 1:
        for (int k = 0; k < lanes; k++) ((uint8_t *)l->output)[to + k] = (uint8_t)sent[k];
        break;
    case 2:
        for (int k = 0; k < lanes; k++) ((uint16_t *)l->output)[to + k] = (uint16_t)sent[k];
        break;
    default: memcpy((int32_t *)l->output + to, sent, (size_t)lanes * sizeof *sent);
    }
}

static void divide(const struct run *r) {
    size_t i = 0, p = 0;
    for (; i + LANES <= r->count; i += LANES, p += LANES) {
        if (p == r->period) p = 0;
        divide_lanes(r, i, p, LANES);
    }
    if (i < r->count) divide_lanes(r, i, p == r->period ? 0 : p, (int)(r->count - i));
}

static void pass(const struct run *r) {
    const struct layer *l = r->layer;
    size_t plane = (size_t)l->samples * neurons_of(l);
    for (int t = 0; t < l->steps; t++)
        memcpy((int32_t *)l->output + (size_t)t * plane + r->output, r->sums + (size_t)t * r->plane_of_sums,
               r->count * sizeof *r->sums);
}

/* Returns the spikes of neurons that fire step by step. */
static int64_t run_neurons(const struct run *r) {
    switch (r->layer->neuron) {
    case FIRE: return fire(r);
    case DIVIDE: divide(r); return 0;
    case INTEGRATE: integrate(r); return 0;
    default: pass(r); return 0;
    }
}

#endif
