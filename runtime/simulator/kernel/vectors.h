/* Vectors as wide as the instruction set has them, and the few products for which C has no operator. */
#ifndef SPIKEC_VECTORS_H
#define SPIKEC_VECTORS_H

#include <stdint.h>
#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(USES_NEON)
#include <arm_neon.h>
#endif

#if defined(__AVX512BW__)
enum { VECTOR_BYTES = 64, DENSE_VECTORS = 4 };
#define VECTOR(name, type) typedef type name __attribute__((vector_size(64)))
#elif defined(__AVX2__)
enum { VECTOR_BYTES = 32, DENSE_VECTORS = 2 };
#define VECTOR(name, type) typedef type name __attribute__((vector_size(32)))
#else
#if defined(USES_NEON) && defined(__ARM_FEATURE_DOTPROD)
enum { VECTOR_BYTES = 16, DENSE_VECTORS = 4 };
#else
enum { VECTOR_BYTES = 16, DENSE_VECTORS = 2 };
#endif
#define VECTOR(name, type) typedef type name __attribute__((vector_size(16)))
#endif

VECTOR(bytes, uint8_t);
VECTOR(halves, uint16_t);
VECTOR(words, int32_t);

enum { LANES = VECTOR_BYTES / 4, MOST_DENSE_BLOCK = LANES * DENSE_VECTORS };

/* Whether four products are added to 32 bits at once; else they are in 16 bits, pairwise, until they are widened. */
#if defined(__AVX512VNNI__)
enum { ADDS_IN_16_BITS = 0 };
#elif defined(__AVX2__)
enum { ADDS_IN_16_BITS = 1 };
#else
enum { ADDS_IN_16_BITS = 0 };
#endif

/* The numbers of the bits of a byte that are set, from the lowest on. */
extern uint8_t lanes_of_mask[256][8];

#define INLINE static inline __attribute__((always_inline))

INLINE bytes load_whole_bytes(const void *from) {
    bytes loaded;
    memcpy(&loaded, from, sizeof loaded);
    return loaded;
}

INLINE halves load_halves(const void *from) {
    halves loaded;
    memcpy(&loaded, from, sizeof loaded);
    return loaded;
}

/* A vector that is used twice is to be read once: compilers read it again, as if that took no time. */
INLINE halves kept(halves loaded) {
#if defined(__AVX512BW__)
    __asm__("" : "+v"(loaded));
#elif defined(__AVX2__)
    __asm__("" : "+x"(loaded));
#elif defined(USES_NEON)
    __asm__("" : "+w"(loaded));
#endif
    return loaded;
}

INLINE words load_words(const void *from) {
    words loaded;
    memcpy(&loaded, from, sizeof loaded);
    return loaded;
}

INLINE void store_words(void *to, words stored) { memcpy(to, &stored, sizeof stored); }

/* The first so many lanes; the others are 0. */
INLINE words load_some(const int32_t *from, int lanes) {
    words loaded = {0};
    memcpy(&loaded, from, (size_t)lanes * sizeof *from);
    return loaded;
}

INLINE words smaller(words a, words b) {
#if defined(__AVX512BW__)
    return (words)_mm512_min_epi32((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
    return (words)_mm256_min_epi32((__m256i)a, (__m256i)b);
#elif defined(USES_NEON)
    return (words)vminq_s32((int32x4_t)a, (int32x4_t)b);
#else
    words is_less = a < b;
    return (a & is_less) | (b & ~is_less);
#endif
}

INLINE words larger(words a, words b) {
#if defined(__AVX512BW__)
    return (words)_mm512_max_epi32((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
    return (words)_mm256_max_epi32((__m256i)a, (__m256i)b);
#elif defined(USES_NEON)
    return (words)vmaxq_s32((int32x4_t)a, (int32x4_t)b);
#else
    words is_more = a > b;
    return (a & is_more) | (b & ~is_more);
#endif
}

/* A byte for each lane. */
INLINE words load_bytes(const uint8_t *from) {
#if defined(__AVX512BW__)
    return (words)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)from));
#elif defined(__AVX2__)
    return (words)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)from));
#else
    words loaded;
    for (int lane = 0; lane < LANES; lane++) loaded[lane] = from[lane];
    return loaded;
#endif
}

/* 16 bits with a sign for each lane. */
INLINE words load_shorts(const int16_t *from) {
#if defined(__AVX512BW__)
    return (words)_mm512_cvtepi16_epi32(_mm256_loadu_si256((const __m256i *)from));
#elif defined(__AVX2__)
    return (words)_mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)from));
#else
    words loaded;
    for (int lane = 0; lane < LANES; lane++) loaded[lane] = from[lane];
    return loaded;
#endif
}

/* The lowest byte of each lane. */
INLINE void store_bytes(uint8_t *to, words stored) {
#if defined(__AVX512BW__)
    _mm_storeu_si128((__m128i *)to, _mm512_cvtepi32_epi8((__m512i)stored));
#elif defined(__AVX2__)
    __m256i lowest = _mm256_set1_epi32(0x0c080400);
    __m256i four = _mm256_shuffle_epi8((__m256i)stored, lowest);
    __m128i low = _mm256_castsi256_si128(four), high = _mm256_extracti128_si256(four, 1);
    _mm_storel_epi64((__m128i *)to, _mm_unpacklo_epi32(low, high));
#else
    for (int lane = 0; lane < LANES; lane++) to[lane] = (uint8_t)stored[lane];
#endif
}

/* What reaches its threshold fires: 1 is written, else 0, v is what remains, and spikes are counted lane by lane. */
INLINE words fire_lanes(words u, words threshold, uint8_t *to, words *spikes) {
#if defined(__AVX512BW__)
    __mmask16 fires = _mm512_cmpge_epi32_mask((__m512i)u, (__m512i)threshold);
    _mm_storeu_si128((__m128i *)to, _mm_maskz_set1_epi8(fires, 1));
    *spikes = (words)_mm512_mask_add_epi32((__m512i)*spikes, fires, (__m512i)*spikes, _mm512_set1_epi32(1));
    return (words)_mm512_mask_sub_epi32((__m512i)u, fires, (__m512i)u, (__m512i)threshold);
#else
    words fires = u >= threshold;
    store_bytes(to, -fires);
    *spikes -= fires;
    return u - (threshold & fires);
#endif
}

#if defined(USES_NEON) && defined(__ARM_FEATURE_DOTPROD)
/* Its products are of signed bytes: of messages from 128 on the highest bits are multiplied by themselves. */
INLINE int32x4_t add_quads_of_neon(int32x4_t sum, uint32_t four, int8x16_t weights) {
    const uint32_t highest = 0x80808080;
    if (four & highest) {
        int8x16_t above = vreinterpretq_s8_u32(vdupq_n_u32((four & highest) >> 7));
        sum = vaddq_s32(sum, vshlq_n_s32(vdotq_s32(vdupq_n_s32(0), weights, above), 7));
    }
    return vdotq_s32(sum, weights, vreinterpretq_s8_u32(vdupq_n_u32(four & ~highest)));
}
#elif defined(USES_NEON)
INLINE int32x4_t add_quads_of_neon(int32x4_t sum, uint32_t four, int8x16_t weights) {
    int16x8_t twice = vreinterpretq_s16_u16(vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(four))));
    int16x8_t low = vmovl_s8(vget_low_s8(weights)), high = vmovl_high_s8(weights);
    int32x4_t first = vmull_s16(vget_low_s16(low), vget_low_s16(twice)), second = vmull_high_s16(low, twice);
    int32x4_t third = vmull_s16(vget_low_s16(high), vget_low_s16(twice)), fourth = vmull_high_s16(high, twice);
    return vaddq_s32(sum, vpaddq_s32(vpaddq_s32(first, second), vpaddq_s32(third, fourth)));
}
#endif

/* Every sum plus four unsigned bytes, the same in all lanes, times the four signed bytes of its lane. Where products
 * are added in 16 bits, sums are pairs of these, and as many must fit as the caller adds before it widens them. */
INLINE words add_quads(words sum, const uint8_t *messages, const int8_t *weights) {
    int32_t four;
    memcpy(&four, messages, 4);
#if defined(__AVX512VNNI__)
    return (words)_mm512_dpbusd_epi32((__m512i)sum, _mm512_set1_epi32(four), _mm512_loadu_si512(weights));
#elif defined(__AVX512BW__)
    __m512i two = _mm512_maddubs_epi16(_mm512_set1_epi32(four), _mm512_loadu_si512(weights));
    return (words)_mm512_add_epi16((__m512i)sum, two);
#elif defined(__AVX2__)
    __m256i two = _mm256_maddubs_epi16(_mm256_set1_epi32(four), _mm256_loadu_si256((const __m256i *)weights));
    return (words)_mm256_add_epi16((__m256i)sum, two);
#elif defined(USES_NEON)
    return (words)add_quads_of_neon((int32x4_t)sum, (uint32_t)four, vld1q_s8(weights));
#else
    (void)four;
    for (int lane = 0; lane < LANES; lane++)
        for (int k = 0; k < 4; k++) sum[lane] += messages[k] * weights[4 * lane + k];
    return sum;
#endif
}

/* Every sum plus the two sums of 16 bits in its lane. */
INLINE words widened(words sum, words pairs) {
#if defined(__AVX512BW__)
    return sum + (words)_mm512_madd_epi16((__m512i)pairs, _mm512_set1_epi16(1));
#elif defined(__AVX2__)
    return sum + (words)_mm256_madd_epi16((__m256i)pairs, _mm256_set1_epi16(1));
#else
    return sum + pairs;
#endif
}

/* The same with pairs of signed 16 bits. */
INLINE words add_pairs(words sum, const int16_t *messages, const int16_t *weights) {
    int32_t pair;
    memcpy(&pair, messages, 4);
#if defined(__AVX512BW__)
    return sum + (words)_mm512_madd_epi16(_mm512_set1_epi32(pair), _mm512_loadu_si512(weights));
#elif defined(__AVX2__)
    __m256i given = _mm256_loadu_si256((const __m256i *)weights);
    return sum + (words)_mm256_madd_epi16(_mm256_set1_epi32(pair), given);
#elif defined(USES_NEON)
    int16x8_t both = vreinterpretq_s16_s32(vdupq_n_s32(pair)), given = vld1q_s16(weights);
    int32x4_t low = vmull_s16(vget_low_s16(given), vget_low_s16(both)), high = vmull_high_s16(given, both);
    return sum + (words)vpaddq_s32(low, high);
#else
    (void)pair;
    for (int lane = 0; lane < LANES; lane++)
        sum[lane] += messages[0] * weights[2 * lane] + messages[1] * weights[2 * lane + 1];
    return sum;
#endif
}

/* Appends which of so many bytes as there are lanes have one of these bits, counted from first; writes whole vectors. */
INLINE uint32_t *append_active(const uint8_t *bytes, uint8_t bits, uint32_t first, uint32_t *to) {
#if defined(__AVX512BW__)
    const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    __m128i given = _mm_loadu_si128((const __m128i *)bytes);
    __mmask16 active = _mm_test_epi8_mask(given, _mm_set1_epi8((char)bits));
    __m512i found = _mm512_maskz_compress_epi32(active, _mm512_add_epi32(lanes, _mm512_set1_epi32((int)first)));
    _mm512_storeu_si512(to, found);
    return to + __builtin_popcount(active);
#elif defined(__AVX2__)
    __m128i given = _mm_loadl_epi64((const __m128i *)bytes), none = _mm_setzero_si128();
    int silent = _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_and_si128(given, _mm_set1_epi8((char)bits)), none));
    int active = ~silent & 255;
    store_words(to, load_bytes(lanes_of_mask[active]) + (int32_t)first);
    return to + __builtin_popcount((unsigned)active);
#else
    const uint32_t each = 0x01010101, low = 0x7f7f7f7f;
    uint32_t four;
    memcpy(&four, bytes, LANES);
    four &= each * bits;
    for (four = (((four & low) + low) | four) & ~low; four; four &= four - 1)
        *to++ = first + (uint32_t)(__builtin_ctz(four) >> 3);
    return to;
#endif
}

/* The same for a whole vector of bytes, whose parts do not wait for each other where that is faster. */
INLINE uint32_t *append_active_of_vector(const uint8_t *bytes, uint8_t bits, uint32_t first, uint32_t *to) {
#if defined(__AVX512BW__)
    const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    uint64_t active = _mm512_test_epi8_mask(_mm512_loadu_si512(bytes), _mm512_set1_epi8((char)bits));
    __m512i numbers = _mm512_add_epi32(lanes, _mm512_set1_epi32((int)first));
#pragma GCC unroll 4
    for (int part = 0; part < VECTOR_BYTES; part += LANES) {
        uint64_t before = active & (((uint64_t)1 << part) - 1);
        __m512i found = _mm512_maskz_compress_epi32((__mmask16)(active >> part), numbers);
        _mm512_storeu_si512(to + __builtin_popcountll(before), found);
        numbers = _mm512_add_epi32(numbers, _mm512_set1_epi32(LANES));
    }
    return to + __builtin_popcountll(active);
#else
    for (int part = 0; part < VECTOR_BYTES; part += LANES)
        to = append_active(bytes + part, bits, first + (uint32_t)part, to);
    return to;
#endif
}

#endif
