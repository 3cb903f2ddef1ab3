/* Instruction sets, and a layer's work spread over threads. */
#include <pthread.h>
#include <stdlib.h>

#include "layer.h"

enum { PLAIN = 0, AVX2 = 1, AVX512 = 2, AVX512_VNNI = 3, LEAST_PLACES = 64, BYTES_IN_CACHE = 1 << 19 };

/* Products below which starting a thread takes longer than it saves. */
static const double WORTH_A_THREAD = 1 << 22;

void run_part_plain(struct layer *, const struct part *);
int vector_width_plain(void);
#ifdef HAS_AVX
void run_part_avx2(struct layer *, const struct part *);
void run_part_avx512(struct layer *, const struct part *);
void run_part_avx512_vnni(struct layer *, const struct part *);
int vector_width_avx2(void);
int vector_width_avx512(void);
int vector_width_avx512_vnni(void);
#endif

/* The numbers of the bits of a byte that are set, from the lowest on. */
uint8_t lanes_of_mask[256][8];

__attribute__((constructor)) static void number_lanes(void) {
    for (int mask = 0; mask < 256; mask++)
        for (int bit = 0, found = 0; bit < 8; bit++)
            if (mask >> bit & 1) lanes_of_mask[mask][found++] = (uint8_t)bit;
}

#define EXPORTED __attribute__((visibility("default")))

/* The best instruction set of this machine. */
EXPORTED int spikec_best_instruction_set(void) {
#ifdef HAS_AVX
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2")) return PLAIN;
    int has_512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    if (!has_512) return AVX2;
    return __builtin_cpu_supports("avx512vnni") ? AVX512_VNNI : AVX512;
#else
    return PLAIN;
#endif
}

/* Bytes of a layer times 2^16, plus those of a connection: a library of other sources is not to be used. */
EXPORTED int spikec_sizes(void) { return (int)(sizeof(struct layer) << 16 | sizeof(struct connection)); }

/* Bytes of a vector times 256, plus the channels of a block of a dense product. */
EXPORTED int spikec_vector_width(int set) {
    switch (set) {
#ifdef HAS_AVX
    case AVX2: return vector_width_avx2();
    case AVX512: return vector_width_avx512();
    case AVX512_VNNI: return vector_width_avx512_vnni();
#endif
    default: return vector_width_plain();
    }
}

static work *work_of(int set) {
    switch (set) {
#ifdef HAS_AVX
    case AVX2: return run_part_avx2;
    case AVX512: return run_part_avx512;
    case AVX512_VNNI: return run_part_avx512_vnni;
#endif
    default: return run_part_plain;
    }
}

/* How a layer is cut: so many samples together, so many bands of rows for each. */
struct cut {
    int samples, bands, parts;
};

static long largest_source(const struct layer *l) {
    long most = 0;
    for (int i = 0; i < l->connections; i++) {
        const struct connection *c = &l->incoming[i];
        long bytes = (long)c->steps * c->height * c->width * c->channels;
        if (c->method != CURRENTS && bytes > most) most = bytes;
    }
    return most;
}

/* Products of a layer, if every channel had a message at every step. */
static double products_of(const struct layer *l) {
    double products = 0;
    for (int i = 0; i < l->connections; i++) {
        const struct connection *c = &l->incoming[i];
        products += (double)c->steps * c->kernel[0] * c->kernel[1] * c->channels / c->groups;
    }
    return products * l->samples * l->height * l->width * l->channels;
}

static struct cut cut_of(const struct layer *l) {
    int places = l->height * l->width, fair = (l->samples + l->threads - 1) / l->threads;
    struct cut cut = {.samples = (LEAST_PLACES + places - 1) / places, .bands = 1};
    if (cut.samples > fair) cut.samples = fair;
    if (cut.samples == 1) {
        long by_cache = (largest_source(l) + BYTES_IN_CACHE - 1) / BYTES_IN_CACHE;
        long by_threads = l->threads > 1 && l->samples < 2 * l->threads ? 2L * l->threads / l->samples : 1;
        long bands = by_cache > by_threads ? by_cache : by_threads;
        cut.bands = (int)(bands < 1 ? 1 : bands > l->height ? l->height : bands);
    }
    cut.parts = (l->samples + cut.samples - 1) / cut.samples * cut.bands;
    return cut;
}

struct shared {
    struct layer *layer;
    struct cut cut;
    work *run;
    int next;
};

static struct part part_of(const struct layer *l, struct cut cut, int number) {
    int group = number / cut.bands, band = number % cut.bands, last = (group + 1) * cut.samples;
    return (struct part){
        group * cut.samples, last > l->samples ? l->samples : last,
        (int)((long)l->height * band / cut.bands), (int)((long)l->height * (band + 1) / cut.bands)
    };
}

static void *take_parts(void *given) {
    struct shared *shared = given;
    for (;;) {
        int number = __atomic_fetch_add(&shared->next, 1, __ATOMIC_RELAXED);
        if (number >= shared->cut.parts) return NULL;
        struct part part = part_of(shared->layer, shared->cut, number);
        shared->run(shared->layer, &part);
    }
}

static int steps_received(const struct layer *l) {
    int steps = 1;
    for (int i = 0; i < l->connections; i++)
        if (l->incoming[i].steps > steps) steps = l->incoming[i].steps;
    return steps;
}

/* Runs a layer; 0 or, where memory is short, 1. Threads live as long as the call, so that a fork meets none. */
EXPORTED int spikec_run_layer(struct layer *l, int set) {
    if (l->samples == 0) return 0;
    l->received = steps_received(l);
    if (products_of(l) < WORTH_A_THREAD) l->threads = 1;
    struct shared shared = {.layer = l, .cut = cut_of(l), .run = work_of(set)};
    int helpers = (l->threads < shared.cut.parts ? l->threads : shared.cut.parts) - 1, started = 0;
    pthread_t *threads = helpers > 0 ? malloc((size_t)helpers * sizeof *threads) : NULL;
    /* What a thread that could not be started would have done, the others do. */
    while (threads && started < helpers && !pthread_create(&threads[started], NULL, take_parts, &shared)) started++;
    take_parts(&shared);
    for (int i = 0; i < started; i++) pthread_join(threads[i], NULL);
    free(threads);
    return l->failed;
}
