// Which lattice points of a row a triangle covers, so that a closed mesh neither leaks nor counts twice.
#pragma once
#include "device.cuh"

struct Corner {
    double x, y, z;
};

/// Indices of a face, smallest first: then both triangles of an edge compute it from the same end.
static __device__ __forceinline__ void sort_three(int& a, int& b, int& c) {
    int swap;
    if (a > b) swap = a, a = b, b = swap;
    if (b > c) swap = b, b = c, c = swap;
    if (a > b) swap = a, a = b, b = swap;
}

/// Where the row at height y enters and leaves the triangle: it covers low <= x < high. False where it misses it.
///
/// Rows are half-open in y as spans are in x, so that a point on an edge or corner belongs to exactly one triangle of
/// those around it. Double precision and no contraction: the CPU path does the same operations in the same order.
static __device__ __forceinline__ bool row_span(const Corner (&corner)[3], double y, double& low, double& high) {
    int found = 0;
    for (int edge = 0; edge < 3; ++edge) {
        const Corner& a = corner[edge == 2 ? 1 : 0];
        const Corner& b = corner[edge == 0 ? 1 : 2];
        if ((a.y <= y) == (b.y <= y)) continue;
        const double x = a.x + (y - a.y) * (b.x - a.x) / (b.y - a.y);
        low = found == 0 || x < low ? x : low;
        high = found == 0 || x > high ? x : high;
        ++found;
    }
    return found == 2;
}

/// The plane through three corners: z = z0 - (slope_x (x - x0) + slope_y (y - y0)), held within the corners' own z.
struct Plane {
    double x, y, z, slope_x, slope_y, low, high;
};

static __device__ __forceinline__ Plane plane_through(const Corner (&c)[3]) {
    const double abx = c[1].x - c[0].x, aby = c[1].y - c[0].y, abz = c[1].z - c[0].z;
    const double acx = c[2].x - c[0].x, acy = c[2].y - c[0].y, acz = c[2].z - c[0].z;
    const double normal_z = abx * acy - aby * acx;
    // Seen edge-on a triangle has no area to hit; rounding may claim a hit, which then lies somewhere on its span.
    const bool flat = fabs(normal_z) < 1e-300;
    const double slope_x = flat ? 0.0 : (aby * acz - abz * acy) / normal_z;
    const double slope_y = flat ? 0.0 : (abz * acx - abx * acz) / normal_z;
    return {c[0].x, c[0].y, c[0].z, slope_x, slope_y, fmin(fmin(c[0].z, c[1].z), c[2].z), fmax(fmax(c[0].z, c[1].z), c[2].z)};
}

static __device__ __forceinline__ double height_at(const Plane& plane, double x, double y) {
    const double z = plane.z - (plane.slope_x * (x - plane.x) + plane.slope_y * (y - plane.y));
    return fmin(fmax(z, plane.low), plane.high);
}
