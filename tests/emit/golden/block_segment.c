/* ---- memory ---- */

#ifdef BLOCK_SHARED_ARENA
static uint8_t *block_mem;
#else
_Alignas(16) static uint8_t block_arena[BLOCK_ARENA_BYTES];
static uint8_t *block_mem = block_arena;
#endif
_Alignas(16) static uint8_t block_scratch[128];
_Static_assert(BLOCK_ARENA_BYTES == 3072, "the header belongs to another build");

/* x: int8 [1x16x16x8], 16 rows of 128 bytes, bytes 0..2048, real = 0.0235 * (q - -128) */
#define block_b_x ((int8_t *)(void *)(block_mem + 0))
/* t0: int8 [1x16x16x16], ring of 3 rows of 256 bytes, bytes 2048..2816, real = 0.0471 * (q - -128) */
#define block_b_t0 ((int8_t *)(void *)(block_mem + 2048))
/* t1: int8 [1x16x16x16], ring of 1 rows of 256 bytes, bytes 2816..3072, real = 0.0512 * (q - -128) */
#define block_b_t1 ((int8_t *)(void *)(block_mem + 2816))
/* t2: int8 [1x16x16x8], ring of 1 rows of 128 bytes, scratch, real = 0.0298 * (q - 3) */
#define block_b_t2 ((int8_t *)(void *)(block_scratch + 0))
/* y: int8 [1x16x16x8], 16 rows of 128 bytes, bytes 0..2048, real = 0.0301 * (q - 4) */
#define block_b_y ((int8_t *)(void *)(block_mem + 0))

/* ---- steps and segments ---- */

static int16_t block_made[4]; /* rows made so far by each step of the running pipeline */

static EDGEC_NOINLINE void block_step_000_dense(int y)
{
    int8_t *const out = block_b_t0 + (((y) % 3)) * 256;
    dense_s8_c(&block_p000, block_b_x + (y) * 128, out, 1 * 16);
    EDGEC_TRACE(0, y, out, 1 * 256);
}

static EDGEC_NOINLINE void block_step_001_depthwise(int y)
{
    const int8_t *rows0[3];
    edgec_taps_int8_t(rows0, block_b_t0, NULL, (y) * 1 - 1, 1, 3, 16, (0) * 16, 3, 256);
    int8_t *const out = block_b_t1 + (((y) % 1)) * 256;
    depthwise_s8_c(&block_p001, rows0, out);
    EDGEC_TRACE(1, y, out, 1 * 256);
}

static EDGEC_NOINLINE void block_step_002_dense(int y)
{
    int8_t *const out = block_b_t2;
    dense_s8_c(&block_p002, block_b_t1 + (((y) % 1)) * 256, out, 1 * 16);
    EDGEC_TRACE(2, y, out, 1 * 128);
}

static EDGEC_NOINLINE void block_step_003_add(int y)
{
    int8_t *const out = block_b_y + (y) * 128;
    add_s8_same(&block_p003, block_b_t2, block_b_x + (y) * 128, out, 1 * 128);
    EDGEC_TRACE(3, y, out, 1 * 128);
}

/* dense -> depthwise -> dense -> add: a pull pipeline */

static EDGEC_NOINLINE void block_until_t0(int rows)
{
    for (; block_made[0] < rows; block_made[0] = (int16_t)(block_made[0] + 1)) {
        const int y = block_made[0];
        block_step_000_dense(y);
    }
}

static EDGEC_NOINLINE void block_until_t1(int rows)
{
    for (; block_made[1] < rows; block_made[1] = (int16_t)(block_made[1] + 1)) {
        const int y = block_made[1];
        block_until_t0(0 + edgec_clamp(y * 1 + 2, 1, 16));
        block_step_001_depthwise(y);
    }
}

static EDGEC_NOINLINE void block_until_t2(int rows)
{
    for (; block_made[2] < rows; block_made[2] = (int16_t)(block_made[2] + 1)) {
        const int y = block_made[2];
        block_until_t1(y + 1);
        block_step_002_dense(y);
    }
}

static EDGEC_NOINLINE void block_until_y(int rows)
{
    for (; block_made[3] < rows; block_made[3] = (int16_t)(block_made[3] + 1)) {
        const int y = block_made[3];
        block_until_t2(y + 1);
        block_step_003_add(y);
    }
}

static EDGEC_NOINLINE void block_segment_000(void)
{
    block_made[0] = 0;
    block_made[1] = 0;
    block_made[2] = 0;
    block_made[3] = 0;
    block_until_y(16);
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
}
