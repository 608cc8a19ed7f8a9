/* Exact sum -> clamp(z + floor((acc * m + 2^(k-1)) / 2^k), lo, hi), round half up, once: the rule of int16x8.v1.
 * |acc * m| < 2^62; k: 1..62. */
static inline int32_t edgec_rescale(int64_t acc, int32_t m, int32_t k, int32_t z, int32_t lo, int32_t hi)
{
    const int64_t v = ((acc * m + ((int64_t)1 << (k - 1))) >> k) + z;
    return v < lo ? lo : v > hi ? hi : (int32_t)v;
}

