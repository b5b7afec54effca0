// Heatmaps to points: the mean of a window around the peak, with the mass close to the peak as confidence.
#include "device.cuh"

constexpr int THREADS = 128;
constexpr int WARPS = THREADS / 32;

/// The largest cell of a map over all threads of the block; every thread gets it.
static __device__ __forceinline__ void block_largest(float& value, int& index) {
    __shared__ float values[WARPS];
    __shared__ int indices[WARPS];
    warp_largest(value, index);
    if (threadIdx.x % 32 == 0) {
        values[threadIdx.x / 32] = value;
        indices[threadIdx.x / 32] = index;
    }
    __syncthreads();
    value = values[0];
    index = indices[0];
    for (int warp = 1; warp < WARPS; ++warp) keep_larger(value, index, values[warp], indices[warp]);
}

/// By the first warp: x, y in cells, of the window around the peak of a map, and the mass within mass_radius of it.
static __device__ __forceinline__ void window_mean(const float* map, int peak, int height, int width, int radius,
                                                   int mass_radius, float& x, float& y, float& mass) {
    const int lane = threadIdx.x, side = 2 * radius + 1;
    const int peak_x = peak % width, peak_y = peak / width;
    float sum = 0.0f, sum_x = 0.0f, sum_y = 0.0f, near = 0.0f;
    for (int cell = lane; cell < side * side; cell += 32) {
        const int dx = cell % side - radius, dy = cell / side - radius;
        if (peak_x + dx < 0 || peak_x + dx >= width || peak_y + dy < 0 || peak_y + dy >= height) continue;
        const float value = map[peak + dy * width + dx];
        sum += value;
        sum_x += value * dx;
        sum_y += value * dy;
        if (max(max(dx, -dx), max(dy, -dy)) <= mass_radius) near += value;
    }
    mass = warp_sum(near);
    const float safe = fmaxf(warp_sum(sum), 1e-9f);
    x = peak_x + 0.5f + warp_sum(sum_x) / safe;
    y = peak_y + 0.5f + warp_sum(sum_y) / safe;
}

struct DecodeHeatmapsParams {
    const float* probability;  // (maps, H, W), each summing to 1; 16-byte aligned
    float* points;             // (maps, 3): x, y in crop pixels (corner-based), confidence
    float pixels_per_column;   // side of the crop in pixels / W
    float pixels_per_row;      // side of the crop in pixels / H
    int height;                // H
    int width;                 // W
    int radius;                // of the window, in cells
    int mass_radius;           // of the cells that count for the confidence
};

// One block per map: each value is read once, four at a time.
extern "C" __global__ void __launch_bounds__(128) decode_heatmaps(DecodeHeatmapsParams p) {
    const int cells = p.height * p.width;
    const float* map = p.probability + static_cast<u64>(blockIdx.x) * cells;
    float best = negative_infinity();
    int peak = cells;
    if (cells % 4 == 0) {
        for (int i = 4 * threadIdx.x; i < cells; i += 4 * THREADS) {
            const float4 four = *reinterpret_cast<const float4*>(map + i);
            keep_larger(best, peak, four.x, i);
            keep_larger(best, peak, four.y, i + 1);
            keep_larger(best, peak, four.z, i + 2);
            keep_larger(best, peak, four.w, i + 3);
        }
    } else {
        for (int i = threadIdx.x; i < cells; i += THREADS) keep_larger(best, peak, map[i], i);
    }
    block_largest(best, peak);
    if (threadIdx.x >= 32) return;
    float x, y, mass;
    window_mean(map, min(peak, cells - 1), p.height, p.width, p.radius, p.mass_radius, x, y, mass);
    if (threadIdx.x == 0) {
        float* out = p.points + 3 * static_cast<u64>(blockIdx.x);
        out[0] = x * p.pixels_per_column;
        out[1] = y * p.pixels_per_row;
        out[2] = fminf(mass, 1.0f);
    }
}
HOST_ENTRY_BARRIERS(decode_heatmaps, DecodeHeatmapsParams)

constexpr int MOST_CELLS = 64 * 64;
constexpr int MOST_BINS = 256;

struct DecodeVolumesParams {
    const float* probability;  // (volumes, D, H, W), each summing to 1; H * W at most 4096, D at most 256
    float* points;             // (volumes, 4): x, y in crop pixels (corner-based), depth in bins, confidence
    float pixels_per_column;   // side of the crop in pixels / W
    float pixels_per_row;      // side of the crop in pixels / H
    int depth;                 // D
    int height;                // H
    int width;                 // W
    int radius;                // of the window, in cells
    int mass_radius;           // of the cells that count for the confidence
};

// One block per volume, which is read once: each thread sums its own columns over depth, each warp its share of every
// slice. The picture marginal is then decoded as a heatmap; the depth marginal gives its mean (soft-argmax).
extern "C" __global__ void __launch_bounds__(128) decode_volumes(DecodeVolumesParams p) {
    __shared__ float picture[MOST_CELLS];
    __shared__ float slices[WARPS][MOST_BINS];
    const int cells = p.height * p.width, warp = threadIdx.x / 32;
    const float* volume = p.probability + static_cast<u64>(blockIdx.x) * p.depth * cells;
    for (int i = threadIdx.x; i < cells; i += THREADS) picture[i] = 0.0f;
    for (int d = 0; d < p.depth; ++d) {
        float sum = 0.0f;
        for (int i = threadIdx.x; i < cells; i += THREADS) {
            const float value = volume[static_cast<u64>(d) * cells + i];
            picture[i] += value;
            sum += value;
        }
        sum = warp_sum(sum);
        if (threadIdx.x % 32 == 0) slices[warp][d] = sum;
    }
    float best = negative_infinity();
    int peak = cells;
    for (int i = threadIdx.x; i < cells; i += THREADS) keep_larger(best, peak, picture[i], i);
    block_largest(best, peak);
    if (threadIdx.x >= 32) return;
    float x, y, mass, total = 0.0f, weighted = 0.0f;
    window_mean(picture, min(peak, cells - 1), p.height, p.width, p.radius, p.mass_radius, x, y, mass);
    for (int d = threadIdx.x; d < p.depth; d += 32) {
        float marginal = 0.0f;
        for (int other = 0; other < WARPS; ++other) marginal += slices[other][d];
        total += marginal;
        weighted += marginal * (d + 0.5f);
    }
    total = warp_sum(total);
    weighted = warp_sum(weighted);
    if (threadIdx.x == 0) {
        float* out = p.points + 4 * static_cast<u64>(blockIdx.x);
        out[0] = x * p.pixels_per_column;
        out[1] = y * p.pixels_per_row;
        out[2] = weighted / fmaxf(total, 1e-9f);
        out[3] = fminf(mass, 1.0f);
    }
}
HOST_ENTRY_BARRIERS(decode_volumes, DecodeVolumesParams)
