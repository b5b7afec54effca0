// Around the lifting network: what it reads, from the points of a crop; and where the body stands, from what it says.
// The CPU path is engines.methods.bilayer (prepare, finish) with engines.methods.placement.
#include "device.cuh"

constexpr int POINTS = 41;
constexpr int LANDMARKS = 17;
constexpr int JOINTS = 24;
constexpr int VIEW = 17;  // floats per crop: rotation source -> virtual camera (9, rows), tangent of half the opening,
                          // fx, fy, cx, cy of the source camera, left and top of the crop, source pixels per crop pixel

struct LiftPrepareParams {
    const float* points;   // (B, 41, 3): x, y in crop pixels (corner-based), confidence
    const float* depth;    // (B, 41): metres relative to the pelvis, not a number where unknown
    const float* views;    // (B, 17), see VIEW
    float* inputs;         // (B, 41, 5): x, y in crop units of the virtual camera, confidence, depth, 1 where it is known
    float* camera;         // (B, 1): logarithm of the tangent of half the opening
    float min_confidence;  // points below count as missing
    float opening_low;     // bounds of `camera`
    float opening_high;    // likewise
    int crop_count;        // B
};

static __device__ __forceinline__ bool is_finite(float value) { return fabsf(value) < positive_infinity(); }

// One thread per point.
extern "C" __global__ void __launch_bounds__(128) lift_prepare(LiftPrepareParams p) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= p.crop_count * POINTS) return;
    const int crop = i / POINTS;
    const float* view = p.views + VIEW * crop;
    const float half_tan = view[9];
    if (i % POINTS == 0) p.camera[crop] = fminf(fmaxf(logf(half_tan), p.opening_low), p.opening_high);
    const float confidence = p.points[3 * i + 2];
    const float px = view[14] + p.points[3 * i] * view[16], py = view[15] + p.points[3 * i + 1] * view[16];
    float* out = p.inputs + 5 * i;
    if (!(is_finite(px) && is_finite(py) && is_finite(confidence) && confidence >= p.min_confidence)) {
        for (int k = 0; k < 5; ++k) out[k] = 0.0f;
        return;
    }
    const float x = (px - view[12]) / view[10], y = (py - view[13]) / view[11];
    const float z = fmaxf(view[6] * x + view[7] * y + view[8], 0.1f);
    out[0] = (view[0] * x + view[1] * y + view[2]) / z / half_tan;
    out[1] = (view[3] * x + view[4] * y + view[5]) / z / half_tan;
    out[2] = fminf(confidence, 1.0f);
    const float depth = p.depth[i];
    out[3] = is_finite(depth) ? depth : 0.0f;
    out[4] = is_finite(depth) ? 1.0f : 0.0f;
}
HOST_ENTRY(lift_prepare, LiftPrepareParams)

struct LiftFinishParams {
    const float* rotations;  // (B, 24, 9) of the network, root in the virtual camera
    const float* placement;  // (B, 3): logarithm of the distance in units of the crop, then its offset
    const float* landmarks;  // (B, 17, 3), metres relative to the pelvis, virtual camera
    const float* joints;     // (B, 24, 3), likewise
    const float* inputs;     // (B, 41, 5), from lift_prepare
    const float* views;      // (B, 17), see VIEW
    float* pose;             // (B, 24, 3) rotation vectors, root in the source camera
    float* translation;      // (B, 3): the pelvis, metres, source camera
};

static __device__ __forceinline__ double sum_lanes(double value) {
    for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(0xffffffffu, value, step);
    return value;
}

/// The rotation vector of a rotation matrix, through the quaternion's largest component.
static __device__ __forceinline__ void rotation_vector(const float* m, float* out) {
    const float trace = m[0] + m[4] + m[8];
    float w, x, y, z;
    if (trace >= m[0] && trace >= m[4] && trace >= m[8]) {
        w = 1.0f + trace, x = m[7] - m[5], y = m[2] - m[6], z = m[3] - m[1];
    } else if (m[0] >= m[4] && m[0] >= m[8]) {
        w = m[7] - m[5], x = 1.0f + m[0] - m[4] - m[8], y = m[1] + m[3], z = m[2] + m[6];
    } else if (m[4] >= m[8]) {
        w = m[2] - m[6], x = m[1] + m[3], y = 1.0f - m[0] + m[4] - m[8], z = m[5] + m[7];
    } else {
        w = m[3] - m[1], x = m[2] + m[6], y = m[5] + m[7], z = 1.0f - m[0] - m[4] + m[8];
    }
    const float length = sqrtf(x * x + y * y + z * z);
    const float sign = w < 0.0f ? -1.0f : 1.0f;
    // Near zero the angle is twice the vector part over w.
    const float scale = length > 1e-6f * fabsf(w) ? 2.0f * atan2f(length, fabsf(w)) / length : 2.0f / fabsf(w);
    out[0] = sign * scale * x;
    out[1] = sign * scale * y;
    out[2] = sign * scale * z;
}

// One warp per body: lanes share the 41 points, then the 24 joints. Three rounds of a weighted linear solve in double.
extern "C" __global__ void __launch_bounds__(32) lift_finish(LiftFinishParams p) {
    const int b = blockIdx.x, lane = threadIdx.x;
    const float* view = p.views + VIEW * b;
    const double half_tan = view[9], scale = exp(static_cast<double>(p.placement[3 * b]));
    const double guess[3] = {p.placement[3 * b + 1] * scale, p.placement[3 * b + 2] * scale, scale / half_tan};
    double point[2][3], image[2][2], weight[2];
    double squares = 0.0;
    for (int k = 0; k < 2; ++k) {
        const int i = lane + 32 * k;
        for (int c = 0; c < 3; ++c) point[k][c] = 0.0;
        image[k][0] = image[k][1] = weight[k] = 0.0;
        if (i >= POINTS) continue;
        const float* from = i < LANDMARKS ? p.landmarks + (b * LANDMARKS + i) * 3
                                          : p.joints + (b * JOINTS + i - LANDMARKS) * 3;
        const float* seen = p.inputs + (b * POINTS + i) * 5;
        for (int c = 0; c < 3; ++c) point[k][c] = from[c];
        for (int c = 0; c < 2; ++c) image[k][c] = static_cast<double>(seen[c]) * half_tan;
        weight[k] = static_cast<double>(seen[2]) * seen[2];
        squares += point[k][0] * point[k][0] + point[k][1] * point[k][1];
    }
    const double spread = sqrt(sum_lanes(squares) / POINTS) + 1e-3;
    double found[3] = {guess[0], guess[1], guess[2]};
#pragma unroll 1
    for (int round = 0; round < 3; ++round) {
        const double tolerance = 0.1 * spread / fmax(found[2], 0.1);
        double total = 0.0, x = 0.0, y = 0.0, square = 0.0, right_x = 0.0, right_y = 0.0, right_z = 0.0;
        for (int k = 0; k < 2; ++k) {
            const double depth = fmax(point[k][2] + found[2], 0.1);
            const double ex = image[k][0] - (point[k][0] + found[0]) / depth;
            const double ey = image[k][1] - (point[k][1] + found[1]) / depth;
            const double fit = weight[k] / (1.0 + (ex * ex + ey * ey) / (tolerance * tolerance)) / (depth * depth);
            const double vx = image[k][0] * point[k][2] - point[k][0], vy = image[k][1] * point[k][2] - point[k][1];
            total += fit;
            x += fit * image[k][0];
            y += fit * image[k][1];
            square += fit * (image[k][0] * image[k][0] + image[k][1] * image[k][1]);
            right_x += fit * vx;
            right_y += fit * vy;
            right_z -= fit * (image[k][0] * vx + image[k][1] * vy);
        }
        total = sum_lanes(total), x = sum_lanes(x), y = sum_lanes(y), square = sum_lanes(square);
        right_x = sum_lanes(right_x), right_y = sum_lanes(right_y), right_z = sum_lanes(right_z);
        const double angular = spread / fmax(guess[2], 0.1), pull = 0.15 * (total + 1e-9) * angular * angular;
        // The matrix is [[a, 0, -x], [0, a, -y], [-x, -y, c]].
        const double a = total + 1e-9, c = square + pull + 1e-9;
        right_x += 1e-9 * guess[0];
        right_y += 1e-9 * guess[1];
        right_z += (pull + 1e-9) * guess[2];
        found[2] = (right_z + (x * right_x + y * right_y) / a) / (c - (x * x + y * y) / a);
        found[0] = (right_x + x * found[2]) / a;
        found[1] = (right_y + y * found[2]) / a;
        const bool good = found[0] - found[0] == 0.0 && found[1] - found[1] == 0.0 && found[2] >= 0.2 &&
                          found[2] <= 5.0 * guess[2];
        for (int k = 0; k < 3; ++k) found[k] = good ? found[k] : guess[k];
    }
    if (lane < 3)
        p.translation[3 * b + lane] = static_cast<float>(view[lane] * found[0] + view[3 + lane] * found[1] +
                                                         view[6 + lane] * found[2]);
    if (lane >= JOINTS) return;
    const float* from = p.rotations + (b * JOINTS + lane) * 9;
    float matrix[9];
    for (int row = 0; row < 3; ++row)
        for (int k = 0; k < 3; ++k)
            matrix[3 * row + k] = lane ? from[3 * row + k]
                                       : view[row] * from[k] + view[3 + row] * from[3 + k] + view[6 + row] * from[6 + k];
    rotation_vector(matrix, p.pose + (b * JOINTS + lane) * 3);
}
HOST_ENTRY_BARRIERS(lift_finish, LiftFinishParams)
