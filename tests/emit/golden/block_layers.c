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


static EDGEC_NOINLINE void block_step_000_dense(int y)
{
    int8_t *const out = block_b_t0 + (y) * 256;
    dense_s8_c(&block_p000, block_b_x + (y) * 128, out, 16 * 16);
    EDGEC_TRACE(0, y, out, 16 * 256);
}

/* dense */
static EDGEC_NOINLINE void block_segment_000(void)
{
    block_step_000_dense(0);
}

static EDGEC_NOINLINE void block_step_001_depthwise(int y)
{
    const int8_t *rows0[3];
    edgec_taps_int8_t(rows0, block_b_t0, NULL, (y) * 1 - 1, 1, 3, 16, (0) * 16, 16, 256);
    int8_t *const out = block_b_t1 + (y) * 256;
    depthwise_s8_c(&block_p001, rows0, out);
    EDGEC_TRACE(1, y, out, 1 * 256);
}

/* depthwise */
static EDGEC_NOINLINE void block_segment_001(void)
{
    for (int y = 0; y < 16; y += 1) {
        block_step_001_depthwise(y);
    }
}

static EDGEC_NOINLINE void block_step_002_dense(int y)
{
    int8_t *const out = block_b_t2 + (y) * 128;
    dense_s8_c(&block_p002, block_b_t1 + (y) * 256, out, 16 * 16);
    EDGEC_TRACE(2, y, out, 16 * 128);
}

/* dense */
static EDGEC_NOINLINE void block_segment_002(void)
{
    block_step_002_dense(0);
}

static EDGEC_NOINLINE void block_step_003_add(int y)
{
    int8_t *const out = block_b_y + (y) * 128;
    add_s8_same(&block_p003, block_b_t2 + (y) * 128, block_b_x + (y) * 128, out, 16 * 128);
    EDGEC_TRACE(3, y, out, 16 * 128);
}

/* add */
static EDGEC_NOINLINE void block_segment_003(void)
{
    block_step_003_add(0);
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
