/* A TVM module run without Python: tvm_driver LIBRARY SAMPLES OUTPUTS COUNT CODE:BITS:DIM,DIM,...  [a tensor each: COUNT inputs, then
 * the outputs of a library whose function `run` fills them; without outputs `main` of a Relax module returns them]
 * SAMPLES: samples one behind the other, of each its inputs one behind the other; OUTPUTS: the outputs of the samples, likewise.
 * Only the C functions of libtvm_ffi are called; libtvm_runtime is loaded for what it registers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tvm/ffi/c_api.h>

enum { TENSORS = 16, DIMS = 8, POOLED = 2, TENSOR_HEADER = sizeof(TVMFFIObject) };

static void fail(const char *what)
{
    TVMFFIObjectHandle error = NULL;
    TVMFFIErrorMoveFromRaised(&error);
    fprintf(stderr, "%s: %s\n", what, error == NULL ? "" : ((TVMFFIErrorCell *)((char *)error + sizeof(TVMFFIObject)))->message.data);
    exit(1);
}

static TVMFFIAny object(int type, TVMFFIObjectHandle handle)
{
    TVMFFIAny v = {.type_index = type};
    v.v_obj = handle;
    return v;
}

static TVMFFIAny integer(int64_t value)
{
    TVMFFIAny v = {.type_index = kTVMFFIInt};
    v.v_int64 = value;
    return v;
}

static TVMFFIAny text(const char *value)
{
    TVMFFIAny v = {.type_index = kTVMFFIRawStr};
    v.v_c_str = value;
    return v;
}

static TVMFFIAny call(TVMFFIObjectHandle function, TVMFFIAny *args, int count, const char *what)
{
    TVMFFIAny made = {.type_index = kTVMFFINone};
    if (TVMFFIFunctionCall(function, args, count, &made) != 0) {
        fail(what);
    }
    return made;
}

static TVMFFIObjectHandle global(const char *name)
{
    const TVMFFIByteArray key = {name, strlen(name)};
    TVMFFIObjectHandle found = NULL;
    if (TVMFFIFunctionGetGlobal(&key, &found) != 0 || found == NULL) {
        fail(name);
    }
    return found;
}

static TVMFFIObjectHandle function_of(TVMFFIAny module, const char *name)
{
    TVMFFIAny args[] = {module, text(name), {.type_index = kTVMFFIBool}};
    const TVMFFIAny found = call(global("ffi.ModuleGetFunction"), args, 3, name);
    if (found.type_index != kTVMFFIFunction) {
        fail(name);
    }
    return found.v_obj;
}

/* An input as TVM wants it, on memory of 64 bytes' alignment. */
static DLManagedTensor *tensor(const char *spec, int64_t *shape, size_t *bytes)
{
    DLManagedTensor *made = calloc(1, sizeof *made);
    DLTensor *t = &made->dl_tensor;
    char *at;
    t->device.device_type = kDLCPU;
    t->dtype.code = (uint8_t)strtol(spec, &at, 10);
    t->dtype.bits = (uint8_t)strtol(at + 1, &at, 10);
    t->dtype.lanes = 1;
    t->shape = shape;
    *bytes = t->dtype.bits / 8;
    while (*at != '\0' && at[1] != '\0' && t->ndim < DIMS) {
        shape[t->ndim] = strtol(at + 1, &at, 10);
        *bytes *= (size_t)shape[t->ndim++];
    }
    t->data = aligned_alloc(64, (*bytes + 63) / 64 * 64);
    return made;
}

static void write_tensor(TVMFFIAny value, FILE *file)
{
    const DLTensor *t = (const DLTensor *)(const void *)((const char *)value.v_obj + TENSOR_HEADER);
    size_t bytes = t->dtype.bits / 8;
    for (int i = 0; i < t->ndim; ++i) {
        bytes *= (size_t)t->shape[i];
    }
    fwrite((const char *)t->data + t->byte_offset, 1, bytes, file);
}

/* What `main` returned: a tensor, or several. */
static void write_result(TVMFFIAny made, FILE *file)
{
    if (made.type_index == kTVMFFITensor) {
        write_tensor(made, file);
    } else {
        const int64_t size = call(global("ffi.ArraySize"), &made, 1, "outputs").v_int64;
        for (int64_t i = 0; i < size; ++i) {
            TVMFFIAny which[] = {made, integer(i)};
            const TVMFFIAny part = call(global("ffi.ArrayGetItem"), which, 2, "output");
            write_tensor(part, file);
            TVMFFIObjectDecRef(part.v_obj);
        }
    }
    TVMFFIObjectDecRef(made.v_obj);
}

/* The Relax module of a library in a virtual machine on the CPU. */
static TVMFFIAny virtual_machine(TVMFFIAny library)
{
    const TVMFFIAny machine = call(function_of(library, "vm_load_executable"), NULL, 0, "vm_load_executable");
    TVMFFIAny setup[] = {integer(kDLCPU), integer(0), integer(POOLED)};
    call(function_of(machine, "vm_initialization"), setup, 3, "vm_initialization");
    return machine;
}

int main(int argc, char **argv)
{
    static int64_t shapes[TENSORS][DIMS];
    size_t bytes[TENSORS];
    DLManagedTensor *tensors[TENSORS];
    TVMFFIAny args[TENSORS];
    const int count = argc - 5, inputs = argc > 5 ? atoi(argv[4]) : 0;
    if (inputs < 1 || inputs > count || count > TENSORS) {
        fputs("tvm_driver LIBRARY SAMPLES OUTPUTS COUNT CODE:BITS:DIM,DIM,...\n", stderr);
        return 2;
    }
    for (int i = 0; i < count; ++i) {
        TVMFFIObjectHandle handle;
        tensors[i] = tensor(argv[5 + i], shapes[i], &bytes[i]);
        if (TVMFFITensorFromDLPack(tensors[i], 0, 1, &handle) != 0) {
            fail("tensor");
        }
        args[i] = object(kTVMFFITensor, handle);
    }
    TVMFFIAny path[] = {text(argv[1])};
    const TVMFFIAny library = call(global("ffi.ModuleLoadFromFile"), path, 1, "load");
    const TVMFFIObjectHandle run = count > inputs ? function_of(library, "run") : function_of(virtual_machine(library), "main");
    FILE *in = fopen(argv[2], "rb"), *out = fopen(argv[3], "wb");
    if (in == NULL || out == NULL) {
        perror(argv[2]);
        return 1;
    }
    for (;;) {
        for (int i = 0; i < inputs; ++i) {
            if (fread(tensors[i]->dl_tensor.data, 1, bytes[i], in) != bytes[i]) {
                return i == 0 && feof(in) && fclose(out) == 0 ? 0 : 1;
            }
        }
        const TVMFFIAny made = call(run, args, count, "run");
        if (count > inputs) {
            for (int i = inputs; i < count; ++i) {
                write_tensor(args[i], out);
            }
        } else {
            write_result(made, out);
        }
    }
}
