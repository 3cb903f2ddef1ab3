/* What a layer is to the kernel: the same structures as in ../native.py, field by field. */
#ifndef SPIKEC_LAYER_H
#define SPIKEC_LAYER_H

#include <stdint.h>

/* To be raised, here and in ../native.py, where a field gets another meaning and keeps its size. */
enum { MEANING = 1 };

/* How a connection's messages meet its weights. */
enum method {
    BYTES = 0,       /* byte weights: rows added for every spike, or a dense product, by the share of spikes */
    WORDS = 1,       /* weights of 32 bits: rows added for every spike */
    PAIRS = 2,       /* messages and weights of 16 bits with signs: a dense product */
    CHANNELS = 3,    /* every output channel reads one channel of the source */
    COORDINATES = 4, /* single weights at coordinates */
    CURRENTS = 5     /* sums that are there already */
};

/* What is done with the sums of a layer. */
enum neuron { PASS = 0, FIRE = 1, DIVIDE = 2, INTEGRATE = 3 };

/* Messages are (steps, samples, height, width, channels), in bytes or, if is_wide, in 16 bits with a sign; those of
 * CURRENTS are sums (steps, samples, target's height, width, channels) in 32 bits. With one step they are the same at
 * every step of the layer. The largest is that of what is read, pools summed. Padding below and right is what the target's
 * size leaves. */
struct connection {
    int32_t method, steps, largest, factor;
    int32_t height, width, channels, groups;
    int32_t pool[2], kernel[2], stride[2], padding[2], dilation[2];
    int32_t is_wide, block, dense_block, segments;
    int32_t quads_in_16_bits; /* four products each, whose sums of two by two fit 16 bits */
    double break_even; /* bits that are set for each channel of each pixel, pools summed, above which products are faster */
    const void *messages;
    const void *rows;  /* (groups, blocks, taps * channels per group + 1, block), the last ones 0, or what the method takes */
    const void *dense; /* packed for the dense product, or none */
    const int32_t *starts, *targets;
    int64_t by_rows, by_product; /* written: how many parts of the work were done in each way */
};

/* Parameters are (height, width, channels), or if they are alike at all places those of the channels, repeated until
 * there are period; bias has bias_steps of them. The potential saturates at lowest and highest, quotients are bounded by
 * least and most. */
struct layer {
    int32_t samples, steps, height, width, channels, connections;
    int32_t neuron, alike, period, bias_steps, lowest, highest, least, most, width_of_output;
    const int32_t *bias, *threshold, *initial;
    struct connection *incoming;
    void *output;
    int32_t threads, failed;
    int32_t received; /* written: steps of the sums, one if what is received is the same at all of them */
    int64_t spikes; /* written: those of neurons that fire step by step */
};

/* A part of a layer's work: samples and rows of the target, from the first up to the last. */
struct part {
    int sample, last_sample, row, last_row;
};

typedef void work(struct layer *, const struct part *);

#endif
