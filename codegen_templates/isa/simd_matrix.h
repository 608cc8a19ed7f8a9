/* simd_matrix: pixels times a packed matrix, for every instruction set that has the SIMD vocabulary. */

/* A run of pixels.  x[r]: where run r of the first pixel's window lies; a pixel's runs have 16 * whole + 4 * rest bytes (the last
 * few may be beyond the row: they count nothing but must be readable, and so must 15 bytes behind them). */
typedef struct {
    const int8_t *const *x;
    const int32_t *stream; /* of each block of channels: bias, factors, then for each run four bytes of every channel after another */
    int8_t *out;
    int32_t runs, whole, rest;
    int32_t x_step, out_step; /* bytes from pixel to pixel */
    int32_t outputs;          /* channels from this block on */
    int32_t left, shift;      /* shift: negative, to the right */
    int32_t zero, lo, hi;
} edgec_tile_t;

/* The same in float; a pixel's runs have 4 * fours + rest elements (and 12 bytes behind them must be readable). */
typedef struct {
    const float *const *x;
    const float *stream; /* of each block of channels: bias, then for each element of each run the channels' weights */
    float *out;
    int32_t runs, fours, rest;
    int32_t x_step, out_step; /* elements from pixel to pixel */
    int32_t outputs;          /* channels from this block on */
    float lo, hi;
} edgec_tile_f32_t;
