/* ---- memory ---- */

#ifdef BLOCK_SHARED_ARENA
static uint8_t *block_mem;
#else
_Alignas(16) static uint8_t block_arena[BLOCK_ARENA_BYTES];
static uint8_t *block_mem = block_arena;
#endif
_Static_assert(BLOCK_ARENA_BYTES == 8192, "the header belongs to another build");

/* x: int8 [1x16x16x8], 16 rows of 128 bytes, bytes 6144..8192, real = 0.0235 * (q - -128) */
#define block_b_x ((int8_t *)(void *)(block_mem + 6144))
/* t0: int8 [1x16x16x16], 16 rows of 256 bytes, bytes 512..4608, real = 0.0471 * (q - -128) */
#define block_b_t0 ((int8_t *)(void *)(block_mem + 512))
/* t1: int8 [1x16x16x16], 16 rows of 256 bytes, bytes 0..4096, real = 0.0512 * (q - -128) */
#define block_b_t1 ((int8_t *)(void *)(block_mem + 0))
/* t2: int8 [1x16x16x8], 16 rows of 128 bytes, bytes 4096..6144, real = 0.0298 * (q - 3) */
#define block_b_t2 ((int8_t *)(void *)(block_mem + 4096))
/* y: int8 [1x16x16x8], 16 rows of 128 bytes, bytes 0..2048, real = 0.0301 * (q - 4) */
#define block_b_y ((int8_t *)(void *)(block_mem + 0))

/* ---- steps and segments ---- */


static EDGEC_NOINLINE void block_step_000_dense(const int8_t *in0, int8_t *out, int y, int rows)
{
    (void)y;
    dense_s8_c(&block_p000, in0, out, rows * 16);
    EDGEC_TRACE(0, y, out, rows * 256);
}

/* dense */
static EDGEC_NOINLINE void block_segment_000(void)
{
    block_step_000_dense(block_b_x + (0) * 128, block_b_t0 + (0) * 256, 0, 16);
}

static EDGEC_NOINLINE void block_step_001_depthwise(const int8_t *const *in0, int8_t *out, int y, int rows)
{
    (void)y;
    (void)rows;
    depthwise_s8_c(&block_p001, in0, out);
    EDGEC_TRACE(1, y, out, rows * 256);
}

/* depthwise */
static EDGEC_NOINLINE void block_segment_001(void)
{
    for (int y = 0; y < 16; y += 1) {
        const int8_t *rows0[3];
        edgec_taps_int8_t(rows0, block_b_t0, NULL, (y) * 1 - 1, 1, 3, 16, (0) * 16, 16, 256);
        block_step_001_depthwise(rows0, block_b_t1 + (y) * 256, y, 1);
    }
}

static EDGEC_NOINLINE void block_step_002_dense(const int8_t *in0, int8_t *out, int y, int rows)
{
    (void)y;
    dense_s8_c(&block_p002, in0, out, rows * 16);
    EDGEC_TRACE(2, y, out, rows * 128);
}

/* dense */
static EDGEC_NOINLINE void block_segment_002(void)
{
    block_step_002_dense(block_b_t1 + (0) * 256, block_b_t2 + (0) * 128, 0, 16);
}

static EDGEC_NOINLINE void block_step_003_add(const int8_t *in0, const int8_t *in1, int8_t *out, int y, int rows)
{
    (void)y;
    add_s8_same(&block_p003, in0, in1, out, rows * 128);
    EDGEC_TRACE(3, y, out, rows * 128);
}

/* add */
static EDGEC_NOINLINE void block_segment_003(void)
{
    block_step_003_add(block_b_t2 + (0) * 128, block_b_x + (0) * 128, block_b_y + (0) * 128, 0, 16);
}

/* ---- the public functions ---- */

void block_init(void *arena)
{
#ifdef BLOCK_SHARED_ARENA
    block_mem = (uint8_t *)arena;
#else
    block_mem = arena != NULL ? (uint8_t *)arena : block_arena;
#endif
}

int8_t *block_input(void)
{
    return block_b_x;
}


const int8_t *block_output(void)
{
    return block_b_y;
}

void block_run(void)
{
    block_segment_000();
    block_segment_001();
    block_segment_002();
    block_segment_003();
}
