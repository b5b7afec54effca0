// fma: off  (both triangles of an edge, and the CPU path, must round alike)
//
// Depth, silhouette and normals of B meshes: every covered pixel keeps the smallest of (depth, face), one atomic minimum
// on 64 bits, so that the picture does not depend on the order of the threads.
#include "triangle.cuh"

struct RasterDrawParams {
    const float* vertices;  // (B, V, 3), metres, camera frame
    const int* faces;       // (F, 3), shared by all meshes, indices below V
    const float* cameras;   // (B, 4): fx, fy, cx, cy, pixels
    u64* nearest;           // (B, rows, columns): depth bits in the upper half, face in the lower; all ones on entry
    float near;             // metres: a face with a vertex nearer than this is not drawn
    int vertex_count;       // V
    int face_count;         // F
    int rows;               // of the pictures
    int columns;            // of the pictures
};

// One thread per triangle. A body's triangles cover some ten to a hundred pixels each, so threads stay balanced.
extern "C" __global__ void raster_draw(RasterDrawParams p) {
    const int face = blockIdx.x * blockDim.x + threadIdx.x;
    if (face >= p.face_count) return;
    const int b = blockIdx.y;
    int index[3] = {p.faces[3 * face], p.faces[3 * face + 1], p.faces[3 * face + 2]};
    sort_three(index[0], index[1], index[2]);
    const float* camera = p.cameras + 4 * b;
    Corner corner[3];
    for (int k = 0; k < 3; ++k) {
        const float* at = p.vertices + 3 * (static_cast<u64>(b) * p.vertex_count + index[k]);
        const double x = at[0], y = at[1], z = at[2];
        if (!(z >= p.near)) return;
        // The centre of the first pixel is (0.5, 0.5): here it is 0, 0. Inverse depth is linear across the picture.
        corner[k] = {x * camera[0] / z + camera[2] - 0.5, y * camera[1] / z + camera[3] - 0.5, 1.0 / z};
    }
    const Plane plane = plane_through(corner);
    const double least = fmin(fmin(corner[0].y, corner[1].y), corner[2].y);
    const double most = fmax(fmax(corner[0].y, corner[1].y), corner[2].y);
    const double last = fmin(floor(most), p.rows - 1.0);
    for (double y = fmax(ceil(least), 0.0); y <= last; y += 1.0) {
        double low, high;
        if (!row_span(corner, y, low, high)) continue;
        const double end = fmin(ceil(high), static_cast<double>(p.columns));
        for (double x = fmax(ceil(low), 0.0); x < end; x += 1.0) {
            const float depth = static_cast<float>(1.0 / height_at(plane, x, y));
            const u64 packed = static_cast<u64>(__float_as_uint(depth)) << 32 | static_cast<u32>(face);
            const u64 at = (static_cast<u64>(b) * p.rows + static_cast<int>(y)) * p.columns + static_cast<int>(x);
            // A stale read only costs an atomic that changes nothing.
            if (packed < p.nearest[at]) atomicMin(p.nearest + at, packed);
        }
    }
}
HOST_ENTRY(raster_draw, RasterDrawParams)

struct RasterResolveParams {
    const float* vertices;  // (B, V, 3), metres, camera frame
    const int* faces;       // (F, 3), counter-clockwise seen from outside
    const u64* nearest;     // (B, rows * columns), from raster_draw
    float* depth;           // (B, pixels), metres along z, +inf where nothing is
    u8* silhouette;         // (B, pixels): 1 where something is
    float* normals;         // (B, pixels, 3): unit normal of the face, outward, camera frame; 0 where nothing is
    int vertex_count;       // V
    int pixels;             // rows * columns
};

// One thread per pixel.
extern "C" __global__ void raster_resolve(RasterResolveParams p) {
    const int pixel = blockIdx.x * blockDim.x + threadIdx.x;
    if (pixel >= p.pixels) return;
    const u64 at = static_cast<u64>(blockIdx.y) * p.pixels + pixel;
    const u64 packed = p.nearest[at];
    const bool hit = packed != ~0ull;
    p.silhouette[at] = hit;
    p.depth[at] = hit ? __uint_as_float(static_cast<u32>(packed >> 32)) : positive_infinity();
    float normal[3] = {0.0f, 0.0f, 0.0f};
    if (hit) {
        const int* face = p.faces + 3 * static_cast<u64>(static_cast<u32>(packed));
        const float* mesh = p.vertices + 3 * static_cast<u64>(blockIdx.y) * p.vertex_count;
        const float *a = mesh + 3 * face[0], *b = mesh + 3 * face[1], *c = mesh + 3 * face[2];
        const float abx = b[0] - a[0], aby = b[1] - a[1], abz = b[2] - a[2];
        const float acx = c[0] - a[0], acy = c[1] - a[1], acz = c[2] - a[2];
        normal[0] = aby * acz - abz * acy;
        normal[1] = abz * acx - abx * acz;
        normal[2] = abx * acy - aby * acx;
        const float squared = normal[0] * normal[0] + normal[1] * normal[1] + normal[2] * normal[2];
        const float length = fmaxf(sqrtf(squared), 1e-30f);
        for (int k = 0; k < 3; ++k) normal[k] /= length;
    }
    for (int k = 0; k < 3; ++k) p.normals[3 * at + k] = normal[k];
}
HOST_ENTRY(raster_resolve, RasterResolveParams)
