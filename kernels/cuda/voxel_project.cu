// fma: off  (the perspective rays must step as numpy's float32 does)
//
// Silhouettes of occupancy grids: the maximum along each ray, and its gradient, which goes to the voxel that attained it.
#include "device.cuh"

constexpr int WARPS = 8;

struct VoxelProjectParams {
    const float* occupancy;  // (B, D, H, W), 16-byte aligned
    float* front;            // (B, H, W): maximum over D
    float* side;             // (B, H, D): maximum over W
    int* front_argmax;       // (B, H, W): the first d that attains it
    int* side_argmax;        // (B, H, D): the first w that attains it
    int depth;               // D
    int height;              // H
    int width;               // W, at most 128 * CHUNKS
};

// Four neighbours of a row from `column` on; beyond the row -inf, which never wins.
static __device__ __forceinline__ float4 load_row(const float* row, int column, int width) {
    const float none = negative_infinity();
    if (width % 4 == 0) {
        if (column >= width) return make_float4(none, none, none, none);
        return *reinterpret_cast<const float4*>(row + column);
    }
    return make_float4(column < width ? row[column] : none, column + 1 < width ? row[column + 1] : none,
                       column + 2 < width ? row[column + 2] : none, column + 3 < width ? row[column + 3] : none);
}

// One block per (h, b). Each warp reads whole rows (d = warp, warp + 8, ...), every value of the grid once: the side
// view is a reduction over the row's lanes, the front view stays in registers until the warps meet.
template <int CHUNKS> static __device__ __forceinline__ void project(const VoxelProjectParams& p) {
    __shared__ float values[WARPS][128 * CHUNKS];
    __shared__ int indices[WARPS][128 * CHUNKS];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int h = blockIdx.x, b = blockIdx.y;

    float best[CHUNKS][4];
    int best_depth[CHUNKS][4];
    for (int c = 0; c < CHUNKS; ++c)
        for (int e = 0; e < 4; ++e) {
            best[c][e] = negative_infinity();
            best_depth[c][e] = p.depth;
        }
    for (int d = warp; d < p.depth; d += WARPS) {
        const float* row = p.occupancy + ((static_cast<u64>(b) * p.depth + d) * p.height + h) * p.width;
        float along = negative_infinity();
        int along_index = p.width;
#pragma unroll
        for (int c = 0; c < CHUNKS; ++c) {
            const int column = 4 * (lane + 32 * c);
            const float4 four = load_row(row, column, p.width);
            const float each[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                keep_larger(best[c][e], best_depth[c][e], each[e], d);
                keep_larger(along, along_index, each[e], column + e);
            }
        }
        warp_largest(along, along_index);
        if (lane == 0) {
            const u64 at = (static_cast<u64>(b) * p.height + h) * p.depth + d;
            p.side[at] = along;
            p.side_argmax[at] = along_index;
        }
    }
#pragma unroll
    for (int c = 0; c < CHUNKS; ++c)
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            values[warp][4 * (lane + 32 * c) + e] = best[c][e];
            indices[warp][4 * (lane + 32 * c) + e] = best_depth[c][e];
        }
    __syncthreads();
    for (int w = threadIdx.x; w < p.width; w += 32 * WARPS) {
        float value = values[0][w];
        int index = indices[0][w];
        for (int other = 1; other < WARPS; ++other) keep_larger(value, index, values[other][w], indices[other][w]);
        const u64 at = (static_cast<u64>(b) * p.height + h) * p.width + w;
        p.front[at] = value;
        p.front_argmax[at] = index;
    }
}

extern "C" __global__ void __launch_bounds__(256) voxel_project_128(VoxelProjectParams p) { project<1>(p); }
HOST_ENTRY_BARRIERS(voxel_project_128, VoxelProjectParams)

extern "C" __global__ void __launch_bounds__(256) voxel_project_512(VoxelProjectParams p) { project<4>(p); }
HOST_ENTRY_BARRIERS(voxel_project_512, VoxelProjectParams)

struct VoxelProjectBackwardParams {
    const float* grad_front;  // (B, H, W)
    const float* grad_side;   // (B, H, D)
    const int* front_argmax;  // (B, H, W)
    const int* side_argmax;   // (B, H, D)
    float* grad;              // (B, D, H, W), written whole, 16-byte aligned
    int depth;                // D
    int height;               // H
    int width;                // W
};

// One block per (h, b), a warp per row: every voxel asks both of its rays whether they ended in it, so that the gradient
// is written once, in order, without atomics.
extern "C" __global__ void __launch_bounds__(256) voxel_project_backward(VoxelProjectBackwardParams p) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int h = blockIdx.x, b = blockIdx.y;
    const u64 front = (static_cast<u64>(b) * p.height + h) * p.width;
    const u64 side = (static_cast<u64>(b) * p.height + h) * p.depth;
    for (int first = 4 * lane; first < p.width; first += 128) {
        float towards_front[4];
        int ends_at[4];
        for (int e = 0; e < 4; ++e) {
            const bool inside = first + e < p.width;
            towards_front[e] = inside ? p.grad_front[front + first + e] : 0.0f;
            ends_at[e] = inside ? p.front_argmax[front + first + e] : -1;
        }
        for (int d = warp; d < p.depth; d += WARPS) {
            const float towards_side = p.grad_side[side + d];
            const int side_end = p.side_argmax[side + d];
            float out[4];
            for (int e = 0; e < 4; ++e)
                out[e] = (ends_at[e] == d ? towards_front[e] : 0.0f) + (side_end == first + e ? towards_side : 0.0f);
            float* row = p.grad + ((static_cast<u64>(b) * p.depth + d) * p.height + h) * p.width;
            if (p.width % 4 == 0)
                *reinterpret_cast<float4*>(row + first) = make_float4(out[0], out[1], out[2], out[3]);
            else
                for (int e = 0; e < 4 && first + e < p.width; ++e) row[first + e] = out[e];
        }
    }
}
HOST_ENTRY(voxel_project_backward, VoxelProjectBackwardParams)

struct VoxelPerspectiveParams {
    const float* occupancy;  // (B, D, H, W)
    const float* cameras;    // (B, 8): fx, fy, cx, cy px; x, y, z of the grid's first corner and the voxel size, metres
    float* silhouette;       // (B, rows, columns): maximum along the ray, 0 where it misses the grid
    int* argmax;             // (B, rows, columns): flat index d, h, w of the first voxel that attains it; -1 for a miss
    int depth;               // D, along the camera's z
    int height;              // H, along y
    int width;               // W, along x
    int rows;                // of the picture
    int columns;             // of the picture
};

// One thread per pixel, one step per slice of the grid, nearest voxel. Neighbouring pixels read neighbouring voxels.
extern "C" __global__ void voxel_perspective(VoxelPerspectiveParams p) {
    const int column = blockIdx.x * blockDim.x + threadIdx.x;
    const int row = blockIdx.y * blockDim.y + threadIdx.y;
    if (column >= p.columns || row >= p.rows) return;
    const int b = blockIdx.z;
    const float* camera = p.cameras + 8 * b;
    const float size = camera[7];
    const float slope_x = (column + 0.5f - camera[2]) / camera[0];
    const float slope_y = (row + 0.5f - camera[3]) / camera[1];
    const float* grid = p.occupancy + static_cast<u64>(b) * p.depth * p.height * p.width;
    float best = 0.0f;
    int best_index = -1;
    for (int d = 0; d < p.depth; ++d) {
        const float z = camera[6] + (d + 0.5f) * size;
        const float w = floorf((slope_x * z - camera[4]) / size);
        const float h = floorf((slope_y * z - camera[5]) / size);
        if (!(z > 0.0f) || !(w >= 0.0f && w < p.width && h >= 0.0f && h < p.height)) continue;
        const int index = (d * p.height + static_cast<int>(h)) * p.width + static_cast<int>(w);
        const float value = __ldg(grid + index);
        if (best_index < 0 || value > best) {
            best = value;
            best_index = index;
        }
    }
    const u64 at = (static_cast<u64>(b) * p.rows + row) * p.columns + column;
    p.silhouette[at] = best;
    p.argmax[at] = best_index;
}
HOST_ENTRY(voxel_perspective, VoxelPerspectiveParams)

struct VoxelPerspectiveBackwardParams {
    const float* grad_silhouette;  // (B, pixels)
    const int* argmax;             // (B, pixels), -1: the ray missed
    float* grad;                   // (B, voxels), zero on entry
    int pixels;                    // rows * columns
    int voxels;                    // D * H * W
};

// Several rays may end in one voxel, hence the atomics; the order of their sum is not fixed.
extern "C" __global__ void voxel_perspective_backward(VoxelPerspectiveBackwardParams p) {
    const int pixel = blockIdx.x * blockDim.x + threadIdx.x;
    if (pixel >= p.pixels) return;
    const u64 at = static_cast<u64>(blockIdx.y) * p.pixels + pixel;
    const int voxel = p.argmax[at];
    if (voxel >= 0) atomicAdd(p.grad + static_cast<u64>(blockIdx.y) * p.voxels + voxel, p.grad_silhouette[at]);
}
HOST_ENTRY(voxel_perspective_backward, VoxelPerspectiveBackwardParams)
