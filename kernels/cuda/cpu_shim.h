// CUDA's language on a CPU, as much of it as these kernels use: g++ -include cpu_shim.h kernel.cu
//
// Blocks run one after another. Threads that never wait for one another run as a plain loop; where a kernel has barriers
// or shuffles, each thread of a block is a fiber, and a barrier hands over to the next one until all have arrived. A
// barrier that some threads of a block or warp never reach is reported: on a GPU it would hang or be undefined.
#pragma once
#define CPU_SHIM
#define _FORTIFY_SOURCE 0  // its longjmp check knows nothing of fibers

#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <ucontext.h>
#include <vector>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static

struct Index3 {
    unsigned x, y, z;
};
static Index3 threadIdx, blockIdx, blockDim, gridDim;

struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(4) uchar4 {
    unsigned char x, y, z, w;
};
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
static inline uchar4 make_uchar4(unsigned char x, unsigned char y, unsigned char z, unsigned char w) {
    return {x, y, z, w};
}

template <class To, class From> static inline To same_bits(From from) {
    static_assert(sizeof(To) == sizeof(From), "a cast between equal sizes");
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}
static inline unsigned __float_as_uint(float value) { return same_bits<unsigned>(value); }
static inline float __uint_as_float(unsigned bits) { return same_bits<float>(bits); }
static inline unsigned short half_bits(float value) { return same_bits<unsigned short>(static_cast<_Float16>(value)); }
static inline int min(int a, int b) { return a < b ? a : b; }
static inline int max(int a, int b) { return a > b ? a : b; }
template <class T> static inline T __ldg(const T* address) { return *address; }

// One thread runs at a time, so that plain operations are atomic.
template <class T> static inline T atomicAdd(T* address, T value) {
    const T old = *address;
    *address = old + value;
    return old;
}
static inline unsigned atomicXor(unsigned* address, unsigned value) {
    const unsigned old = *address;
    *address = old ^ value;
    return old;
}
static inline unsigned long long atomicMin(unsigned long long* address, unsigned long long value) {
    const unsigned long long old = *address;
    if (value < old) *address = value;
    return old;
}

namespace shim {

constexpr std::size_t STACK_BYTES = 128 * 1024;
constexpr int WARP = 32;
enum class State { ready, at_block_barrier, at_warp_barrier, done };

struct Fiber {
    ucontext_t context;
    std::unique_ptr<char[]> stack{new char[STACK_BYTES]};
    State state = State::done;
    Index3 thread{};
    void* fake_stack = nullptr;
    unsigned long long slot = 0;  // what this lane offers to a shuffle
};

static std::vector<Fiber> fibers;
static ucontext_t scheduler;
static int current = -1;
static void (*body)(const void*) = nullptr;
static const void* parameters = nullptr;
[[maybe_unused]] static const void* scheduler_stack = nullptr;
[[maybe_unused]] static std::size_t scheduler_stack_bytes = 0;

/// From a fiber back to the scheduler; returns when the scheduler comes back, never for a fiber that is done.
static void hand_over(State state) {
    Fiber& self = fibers[static_cast<std::size_t>(current)];
    self.state = state;
#ifdef __SANITIZE_ADDRESS__
    void** keep = state == State::done ? nullptr : &self.fake_stack;
    __sanitizer_start_switch_fiber(keep, scheduler_stack, scheduler_stack_bytes);
#endif
    swapcontext(&self.context, &scheduler);
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(self.fake_stack, &scheduler_stack, &scheduler_stack_bytes);
#endif
}

static void fiber_main() {
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(nullptr, &scheduler_stack, &scheduler_stack_bytes);
#endif
    body(parameters);
    hand_over(State::done);
}

static void resume(int index) {
    Fiber& fiber = fibers[static_cast<std::size_t>(index)];
    current = index;
    threadIdx = fiber.thread;
    fiber.state = State::ready;
#ifdef __SANITIZE_ADDRESS__
    void* own_fake_stack = nullptr;
    __sanitizer_start_switch_fiber(&own_fake_stack, fiber.stack.get(), STACK_BYTES);
#endif
    swapcontext(&scheduler, &fiber.context);
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(own_fake_stack, nullptr, nullptr);
#endif
    current = -1;
}

static bool all_in(int begin, int end, State state) {
    for (int i = begin; i < end; ++i)
        if (fibers[static_cast<std::size_t>(i)].state != state) return false;
    return true;
}

static void release(int begin, int end) {
    for (int i = begin; i < end; ++i) fibers[static_cast<std::size_t>(i)].state = State::ready;
}

/// Runs one block on fibers. False where its threads do not all reach the same barrier.
static bool run_block(int threads) {
    if (fibers.size() < static_cast<std::size_t>(threads)) fibers = std::vector<Fiber>(static_cast<std::size_t>(threads));
    for (int i = 0; i < threads; ++i) {
        Fiber& fiber = fibers[static_cast<std::size_t>(i)];
        const unsigned flat = static_cast<unsigned>(i);
        fiber.thread = {flat % blockDim.x, flat / blockDim.x % blockDim.y, flat / blockDim.x / blockDim.y};
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack.get();
        fiber.context.uc_stack.ss_size = STACK_BYTES;
        fiber.context.uc_link = nullptr;
        makecontext(&fiber.context, fiber_main, 0);
        fiber.state = State::ready;
    }
    for (;;) {
        for (int i = 0; i < threads; ++i)
            if (fibers[static_cast<std::size_t>(i)].state == State::ready) resume(i);
        if (all_in(0, threads, State::done)) return true;
        bool moved = false;
        if (all_in(0, threads, State::at_block_barrier)) {
            release(0, threads);
            moved = true;
        }
        for (int warp = 0; warp < threads; warp += WARP) {
            const int end = min(warp + WARP, threads);
            if (all_in(warp, end, State::at_warp_barrier)) {
                release(warp, end);
                moved = true;
            }
        }
        if (!moved) return false;
    }
}

template <class T> static T from_lane(T value, int lane) {
    static_assert(sizeof(T) <= 8, "a shuffle moves at most 8 bytes");
    const int self = current;
    std::memcpy(&fibers[static_cast<std::size_t>(self)].slot, &value, sizeof value);
    hand_over(State::at_warp_barrier);
    T other;
    std::memcpy(&other, &fibers[static_cast<std::size_t>(self / WARP * WARP + lane)].slot, sizeof other);
    hand_over(State::at_warp_barrier);
    return other;
}

/// 0: done; 1: threads parted at a barrier; 2: the parameter struct has another size than the caller believes.
template <class Params, void (*kernel)(Params)>
static int launch(const unsigned* grid, const unsigned* block, const void* params, std::size_t bytes, bool barriers) {
    if (bytes != sizeof(Params)) return 2;
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {block[0], block[1], block[2]};
    body = [](const void* p) { kernel(*static_cast<const Params*>(p)); };
    parameters = params;
    for (blockIdx.z = 0; blockIdx.z < gridDim.z; ++blockIdx.z)
        for (blockIdx.y = 0; blockIdx.y < gridDim.y; ++blockIdx.y)
            for (blockIdx.x = 0; blockIdx.x < gridDim.x; ++blockIdx.x) {
                if (barriers) {
                    if (!run_block(static_cast<int>(blockDim.x * blockDim.y * blockDim.z))) return 1;
                    continue;
                }
                for (threadIdx.z = 0; threadIdx.z < blockDim.z; ++threadIdx.z)
                    for (threadIdx.y = 0; threadIdx.y < blockDim.y; ++threadIdx.y)
                        for (threadIdx.x = 0; threadIdx.x < blockDim.x; ++threadIdx.x) body(params);
            }
    return 0;
}

}  // namespace shim

static inline void __syncthreads() { shim::hand_over(shim::State::at_block_barrier); }
template <class T> static inline T __shfl_xor_sync(unsigned, T value, int mask) {
    return shim::from_lane(value, (shim::current % shim::WARP) ^ mask);
}

#define SHIM_ENTRY(kernel, Params, barriers)                                                                           \
    extern "C" int kernel##_on_host(const unsigned* grid, const unsigned* block, const void* p, std::size_t bytes) {   \
        return shim::launch<Params, kernel>(grid, block, p, bytes, barriers);                                          \
    }
#define HOST_ENTRY(kernel, Params) SHIM_ENTRY(kernel, Params, false)
#define HOST_ENTRY_BARRIERS(kernel, Params) SHIM_ENTRY(kernel, Params, true)
