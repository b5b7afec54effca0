// What every kernel starts from. NVRTC is given no CUDA headers, so types and conversions are spelt out here.
//
// The same sources are compiled by g++ behind cpu_shim.h (which defines CPU_SHIM) and then run on the CPU under
// sanitizers. For that each kernel ends with HOST_ENTRY(kernel, Params), or HOST_ENTRY_BARRIERS where its threads wait
// for one another; on a GPU both are nothing.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#ifndef CPU_SHIM
#define HOST_ENTRY(kernel, Params)
#define HOST_ENTRY_BARRIERS(kernel, Params)

/// IEEE half, round to nearest even, as its bits.
static __device__ __forceinline__ u16 half_bits(float value) {
    u16 bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}
#endif

static __device__ __forceinline__ float negative_infinity() { return __uint_as_float(0xff800000u); }
static __device__ __forceinline__ float positive_infinity() { return __uint_as_float(0x7f800000u); }

/// The larger value; of equal ones the one of the lower index. Gives the same answer in any order of reduction.
static __device__ __forceinline__ void keep_larger(float& value, int& index, float other, int other_index) {
    if (other > value || (other == value && other_index < index)) {
        value = other;
        index = other_index;
    }
}

/// `keep_larger` over the 32 lanes of a warp; every lane gets the result.
static __device__ __forceinline__ void warp_largest(float& value, int& index) {
    for (int step = 16; step > 0; step /= 2) {
        const float other = __shfl_xor_sync(0xffffffffu, value, step);
        const int other_index = __shfl_xor_sync(0xffffffffu, index, step);
        keep_larger(value, index, other, other_index);
    }
}

/// Sum over the 32 lanes of a warp; every lane gets it.
static __device__ __forceinline__ float warp_sum(float value) {
    for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(0xffffffffu, value, step);
    return value;
}
