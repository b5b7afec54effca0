// fma: off  (both triangles of an edge, and the CPU path, must round alike)
//
// Closed meshes to occupancy grids. Each crossing of a column's ray sets one bit of that column; a voxel is inside where
// the bits up to it are odd in number.
#include "triangle.cuh"

struct VoxelizeCrossParams {
    const float* vertices;  // (B, V, 3)
    const int* faces;       // (F, 3), shared by all meshes, indices below V
    const double* grids;    // (B, 4): first corner of the grid x, y, z and the voxel size
    u32* crossings;         // (B, ceil(D / 32), H, W) bits, zero on entry
    int vertex_count;       // V
    int face_count;         // F
    int depth;              // D
    int height;             // H
    int width;              // W
};

// One thread per triangle walks the columns under it: some ten for a body in a grid of 128^3, so threads stay balanced.
// Bits, not bytes: at 128^3 they take 256 KB per body and the scattered updates stay in the L2 cache.
extern "C" __global__ void voxelize_cross(VoxelizeCrossParams p) {
    const int face = blockIdx.x * blockDim.x + threadIdx.x;
    if (face >= p.face_count) return;
    const int b = blockIdx.y;
    int index[3] = {p.faces[3 * face], p.faces[3 * face + 1], p.faces[3 * face + 2]};
    sort_three(index[0], index[1], index[2]);
    const double* grid = p.grids + 4 * b;
    Corner corner[3];
    for (int k = 0; k < 3; ++k) {
        const float* at = p.vertices + 3 * (static_cast<u64>(b) * p.vertex_count + index[k]);
        corner[k] = {(at[0] - grid[0]) / grid[3] - 0.5, (at[1] - grid[1]) / grid[3] - 0.5,
                     (at[2] - grid[2]) / grid[3] - 0.5};
    }
    const Plane plane = plane_through(corner);
    const double least = fmin(fmin(corner[0].y, corner[1].y), corner[2].y);
    const double most = fmax(fmax(corner[0].y, corner[1].y), corner[2].y);
    const double last = fmin(floor(most), p.height - 1.0);
    const int words = (p.depth + 31) / 32;
    for (double y = fmax(ceil(least), 0.0); y <= last; y += 1.0) {
        double low, high;
        if (!row_span(corner, y, low, high)) continue;
        const double end = fmin(ceil(high), static_cast<double>(p.width));
        for (double x = fmax(ceil(low), 0.0); x < end; x += 1.0) {
            const double z = ceil(height_at(plane, x, y));
            if (z >= p.depth) continue;
            const int k = static_cast<int>(fmax(z, 0.0));
            const u64 column = static_cast<u64>(y) * p.width + static_cast<u64>(x);
            const u64 word = (static_cast<u64>(b) * words + k / 32) * p.height * p.width + column;
            atomicXor(p.crossings + word, 1u << (k % 32));
        }
    }
}
HOST_ENTRY(voxelize_cross, VoxelizeCrossParams)

struct VoxelizeFillParams {
    const u32* crossings;  // (B, ceil(D / 32), columns)
    u8* occupancy;         // (B, D, columns): 1 inside, 0 outside; 4-byte aligned
    int depth;             // D
    int columns;           // H * W
};

// One thread per four columns: their parity runs up the words by a prefix sum in registers, and each slice is stored as
// four bytes at once.
extern "C" __global__ void voxelize_fill(VoxelizeFillParams p) {
    const int column = 4 * (blockIdx.x * blockDim.x + threadIdx.x);
    if (column >= p.columns) return;
    const int b = blockIdx.y, words = (p.depth + 31) / 32;
    u32 carry[4] = {0, 0, 0, 0};
    for (int word = 0; word < words; ++word) {
        u32 bits[4];
        for (int e = 0; e < 4; ++e) {
            const u64 at = (static_cast<u64>(b) * words + word) * p.columns + column + e;
            bits[e] = column + e < p.columns ? p.crossings[at] : 0;
            for (int step = 1; step < 32; step *= 2) bits[e] ^= bits[e] << step;
            bits[e] ^= carry[e];
            carry[e] = bits[e] >> 31 ? 0xffffffffu : 0;
        }
        const int slices = min(32, p.depth - 32 * word);
        for (int k = 0; k < slices; ++k) {
            u8* out = p.occupancy + (static_cast<u64>(b) * p.depth + 32 * word + k) * p.columns + column;
            if (p.columns % 4 == 0)
                *reinterpret_cast<uchar4*>(out) =
                    make_uchar4(bits[0] >> k & 1, bits[1] >> k & 1, bits[2] >> k & 1, bits[3] >> k & 1);
            else
                for (int e = 0; e < 4 && column + e < p.columns; ++e) out[e] = bits[e] >> k & 1;
        }
    }
}
HOST_ENTRY(voxelize_fill, VoxelizeFillParams)
