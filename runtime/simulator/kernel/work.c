/* One part of a layer's work; compiled once for each instruction set, under a name of its own (RUN_PART). */
#include "neurons.h"
#include "products.h"
#include "singles.h"

enum { SUMS_AT_ONCE = 1 << 15, MOST_PLACES = 64 };

int VECTOR_WIDTH(void);
int VECTOR_WIDTH(void) { return VECTOR_BYTES << 8 | MOST_DENSE_BLOCK; }

static int is_product(const struct connection *c, const struct source *s) { return s->is_product || c->method == PAIRS; }

static int adds_rows(const struct connection *c, const struct source *s) {
    return !s->is_product && (c->method == BYTES || c->method == WORDS);
}

static int adds_channels(const struct connection *c, const struct source *s) { return c->method == CHANNELS && s->map; }

/* Whether a connection can write sums that nothing was added to. */
static int sets_sums(const struct connection *c, const struct source *s) {
    return is_product(c, s) || adds_rows(c, s) || adds_channels(c, s);
}

static int make_room(const struct connection *c, int places, struct source *s) {
    if (is_product(c, s)) return make_room_for_products(c, places, s);
    if (adds_rows(c, s)) return make_room_for_rows(c, places, s);
    return adds_channels(c, s) && make_room_for_channels(c, places, s);
}

static void add_connection(const struct connection *c, const struct layer *l, const struct part *part,
                           const struct source *s, const struct chunk *chunk, int is_first, int32_t *sums) {
    if (is_product(c, s))
        add_products(c, l, s, chunk, is_first, sums);
    else if (adds_rows(c, s))
        add_rows(c, l, s, chunk, is_first, sums);
    else if (c->method == COORDINATES)
        add_coordinates(c, l, s, chunk, sums);
    else if (c->method == CURRENTS)
        add_currents(c, l, part, chunk, sums);
    else if (adds_channels(c, s))
        add_channels(c, l, s, chunk, is_first, sums);
    else
        add_in_place(c, l, part, chunk, sums);
}

/* Places up to the last that lie next to each other and whose parameters follow each other. */
static int last_of_run(const struct layer *l, const struct chunk *chunk, int first) {
    int in_sample = chunk->rows * chunk->columns, last = first + 1;
    if (!l->alike) last = (first / in_sample + 1) * in_sample;
    if (l->alike && l->period % LANES == 0) last = chunk->last;
    return last < chunk->last ? last : chunk->last;
}

static void run_chunk_of_neurons(
    struct layer *l, const struct part *part, const struct chunk *chunk, const int32_t *sums
) {
    size_t channels = (size_t)l->channels;
    int64_t spikes = 0;
    for (int first = chunk->first, last; first < chunk->last; first = last) {
        last = last_of_run(l, chunk, first);
        int in_sample = part->row * l->width + first % (chunk->rows * chunk->columns);
        size_t parameters = l->alike ? 0 : (size_t)in_sample * channels, count = (size_t)(last - first) * channels;
        struct chunk run = {first, last, chunk->rows, chunk->columns};
        spikes += run_neurons(&(struct run){
            .layer = l,
            .sums = sums + (size_t)(first - chunk->first) * channels,
            .bias = l->bias + parameters,
            .threshold = l->threshold + parameters,
            .initial = l->initial + parameters,
            .count = count,
            .period = l->alike ? (size_t)l->period : count,
            .plane_of_sums = l->received < l->steps ? 0 : (size_t)places_of(chunk) * channels,
            .output = first_of(l, part, &run),
        });
    }
    __atomic_fetch_add(&l->spikes, spikes, __ATOMIC_RELAXED);
}

/* The connection that is the first to write sums; none of them if they have to be 0 before. */
static int first_of_connections(const struct layer *l, const struct source *sources) {
    int i = 0;
    while (i < l->connections && !sets_sums(&l->incoming[i], &sources[i])) i++;
    return i;
}

static void run_chunk(struct layer *l, const struct part *part, const struct source *sources,
                      const struct chunk *chunk, int32_t *sums) {
    int first = first_of_connections(l, sources);
    if (first < l->connections)
        add_connection(&l->incoming[first], l, part, &sources[first], chunk, 1, sums);
    else
        memset(sums, 0, (size_t)places_of(chunk) * l->received * l->channels * sizeof *sums);
    for (int i = 0; i < l->connections; i++)
        if (i != first) add_connection(&l->incoming[i], l, part, &sources[i], chunk, 0, sums);
    run_chunk_of_neurons(l, part, chunk, sums);
}

static int places_at_once(const struct layer *l) {
    int places = SUMS_AT_ONCE / (l->received * l->channels);
    return places < 1 ? 1 : places > MOST_PLACES ? MOST_PLACES : places;
}

static int run_places(struct layer *l, const struct part *part, struct source *sources) {
    struct chunk chunk = {.rows = part->last_row - part->row, .columns = l->width};
    int places = (part->last_sample - part->sample) * chunk.rows * chunk.columns, at_once = places_at_once(l);
    size_t vectors = (size_t)at_once * l->received * l->channels / LANES + 1;
    int32_t *sums = aligned_alloc(VECTOR_BYTES, vectors * VECTOR_BYTES);
    int failed = !sums;
    for (int i = 0; i < l->connections && !failed; i++) failed = make_room(&l->incoming[i], at_once, &sources[i]);
    for (int first = 0; first < places && !failed; first += at_once) {
        chunk.first = first;
        chunk.last = places - first < at_once ? places : first + at_once;
        run_chunk(l, part, sources, &chunk, sums);
    }
    free(sums);
    return failed;
}

void RUN_PART(struct layer *l, const struct part *part);
void RUN_PART(struct layer *l, const struct part *part) {
    struct source *sources = calloc((size_t)l->connections + 1, sizeof *sources);
    int failed = !sources, read = 0;
    for (; !failed && read < l->connections; read++) {
        struct connection *c = &l->incoming[read];
        failed = read_source(c, l, part, &sources[read]);
        int is_dense = sources[read].is_product || c->method == PAIRS || c->method == CHANNELS;
        __atomic_fetch_add(is_dense ? &c->by_product : &c->by_rows, 1, __ATOMIC_RELAXED);
    }
    if (!failed) failed = run_places(l, part, sources);
    for (int i = 0; i < read; i++) drop_source(&sources[i]);
    free(sources);
    if (failed) __atomic_store_n(&l->failed, 1, __ATOMIC_RELAXED);
}
