#include "weights.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__arm__)
#include "infer.h"

extern const uintptr_t __weights_start[], __weights_end[]; /* address and bytes of each part */

static const char *look(void)
{
    uint32_t crc = CRC32_START;
    size_t skip = sizeof edgec_seal;
    for (const uintptr_t *part = __weights_start; part < __weights_end; part += 2) {
        crc = infer_crc32_more(crc, (const uint8_t *)part[0] + skip, part[1] - skip);
        skip = 0;
    }
    if (edgec_seal.magic != EDGEC_SEAL_MAGIC || edgec_seal.crc32 != ~crc) {
        return "e-[The weights in flash are damaged: flash them again]";
    }
    return edgec_seal.code == edgec_code ? NULL : "e-[The weights in flash belong to other code: flash both]";
}

const char *weights_fault(void)
{
    static bool looked;
    static const char *fault;
    if (!looked) {
        fault = look();
        looked = true;
    }
    return fault;
}

#else

const char *weights_fault(void) { return NULL; } /* one file with the code */

#endif
