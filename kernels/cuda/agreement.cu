// How well posed bodies cover what was segmented: vertices splatted into the cells of the segmentation, closed by 3 x 3,
// and compared. The CPU path is kernels.silhouette.
#include "device.cuh"

constexpr int MOST_CELLS = 96;

struct AgreementParams {
    const float* vertices;  // (B, V, 3), metres, source camera
    const float* cameras;   // (B, 7): fx, fy, cx, cy, left and top of the crop (source pixels), cells per source pixel
    const float* parts;     // (B, P, C, C) logits; part 0 is the background
    int* counts;            // (B, 2): cells of the intersection and of the union
    int vertex_count;       // V
    int part_count;         // P
    int cells;              // C, at most 96
};

// One block per body; its silhouette stays in shared memory.
extern "C" __global__ void __launch_bounds__(256) agreement(AgreementParams p) {
    __shared__ u8 grid[MOST_CELLS * MOST_CELLS];
    __shared__ u8 wide[MOST_CELLS * MOST_CELLS];
    __shared__ int sums[2];
    const int b = blockIdx.x, c = p.cells, all = c * c;
    const float* camera = p.cameras + 7 * b;
    for (int i = threadIdx.x; i < all; i += blockDim.x) grid[i] = 0;
    if (threadIdx.x < 2) sums[threadIdx.x] = 0;
    __syncthreads();
    for (int v = threadIdx.x; v < p.vertex_count; v += blockDim.x) {
        const float* at = p.vertices + (static_cast<u64>(b) * p.vertex_count + v) * 3;
        const float z = fmaxf(at[2], 0.01f);
        const float x = (at[0] / z * camera[0] + camera[2] - camera[4]) * camera[6];
        const float y = (at[1] / z * camera[1] + camera[3] - camera[5]) * camera[6];
        // Threads that meet in a cell write the same.
        if (x >= 0.0f && y >= 0.0f && x < c && y < c) grid[static_cast<int>(y) * c + static_cast<int>(x)] = 1;
    }
    __syncthreads();
    for (int i = threadIdx.x; i < all; i += blockDim.x) {
        u8 any = 0;
        for (int y = max(i / c - 1, 0); y <= min(i / c + 1, c - 1); ++y)
            for (int x = max(i % c - 1, 0); x <= min(i % c + 1, c - 1); ++x) any |= grid[y * c + x];
        wide[i] = any;
    }
    __syncthreads();
    int both = 0, either = 0;
    for (int i = threadIdx.x; i < all; i += blockDim.x) {
        u8 every = 1;
        for (int y = max(i / c - 1, 0); y <= min(i / c + 1, c - 1); ++y)
            for (int x = max(i % c - 1, 0); x <= min(i % c + 1, c - 1); ++x) every &= wide[y * c + x];
        const float* logits = p.parts + static_cast<u64>(b) * p.part_count * all + i;
        bool person = false;
        for (int part = 1; part < p.part_count; ++part) person |= logits[static_cast<u64>(part) * all] > logits[0];
        both += every && person;
        either += every || person;
    }
    atomicAdd(&sums[0], both);
    atomicAdd(&sums[1], either);
    __syncthreads();
    if (threadIdx.x < 2) p.counts[2 * b + threadIdx.x] = sums[threadIdx.x];
}
HOST_ENTRY_BARRIERS(agreement, AgreementParams)
