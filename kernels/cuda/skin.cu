// Bodies from parameters: forward kinematics to one matrix per joint, then shape blending and linear blend skinning.
#include "device.cuh"

constexpr int JOINTS = 24;

struct BodyTransformsParams {
    const float* pose;              // (B, 24, 3) rotation vectors, radians
    const float* betas;             // (B, S)
    const float* translation;       // (B, 3): the pelvis, metres, camera frame
    const float* offsets;           // (24, 3): from the parent joint in the T-pose, metres
    const float* offset_dirs;       // (S, 24, 3): the same per shape coefficient
    const float* bind_joints;       // (24, 3): joints of the mean body in the bind pose
    const float* bind_joint_dirs;   // (S, 24, 3): the same per shape coefficient
    const float* bind_to_tpose;     // (24, 9): rotation per joint
    const int* parents;             // (24,): index of the parent, -1 at the root
    const int* tree_depths;         // (24,): joints above this one, 0 at the root
    float* transforms;              // (B, 24, 12): rows of 3 x 4 matrices, bind pose -> camera frame
    float* joints;                  // (B, 24, 3), metres, camera frame
    int shape_count;                // S
    int levels;                     // largest tree depth + 1
};

// One warp per body, a lane per joint; the tree is walked level by level.
extern "C" __global__ void __launch_bounds__(32) body_transforms(BodyTransformsParams p) {
    __shared__ float chain[JOINTS][12];
    const int joint = threadIdx.x, b = blockIdx.x;
    const bool active = joint < JOINTS;
    float local[9], offset[3], rest[3];
    if (active) {
        const float* r = p.pose + (b * JOINTS + joint) * 3;
        const float squared = r[0] * r[0] + r[1] * r[1] + r[2] * r[2];
        float s = 1.0f - squared / 6.0f, c = 0.5f - squared / 24.0f;  // Rodrigues' formula near zero
        if (squared > 1e-6f) {
            const float angle = sqrtf(squared), half = sinf(0.5f * angle);
            s = sinf(angle) / angle;
            c = 2.0f * half * half / squared;
        }
        for (int i = 0; i < 3; ++i)
            for (int k = 0; k < 3; ++k) local[3 * i + k] = c * r[i] * r[k] + (i == k ? 1.0f - c * squared : 0.0f);
        local[1] -= s * r[2];
        local[2] += s * r[1];
        local[3] += s * r[2];
        local[5] -= s * r[0];
        local[6] -= s * r[1];
        local[7] += s * r[0];
        for (int k = 0; k < 3; ++k) {
            offset[k] = p.offsets[3 * joint + k];
            rest[k] = p.bind_joints[3 * joint + k];
        }
#pragma unroll 1
        for (int beta = 0; beta < p.shape_count; ++beta)
            for (int k = 0; k < 3; ++k) {
                const float weight = p.betas[b * p.shape_count + beta];
                offset[k] += weight * p.offset_dirs[(beta * JOINTS + joint) * 3 + k];
                rest[k] += weight * p.bind_joint_dirs[(beta * JOINTS + joint) * 3 + k];
            }
    }
#pragma unroll 1
    for (int level = 0; level < p.levels; ++level) {
        if (active && p.tree_depths[joint] == level) {
            const float* above = level == 0 ? nullptr : chain[p.parents[joint]];
            for (int i = 0; i < 3; ++i) {
                for (int k = 0; k < 3; ++k) {
                    float sum = local[3 * i + k];
                    if (above)
                        sum = above[4 * i] * local[k] + above[4 * i + 1] * local[3 + k] + above[4 * i + 2] * local[6 + k];
                    chain[joint][4 * i + k] = sum;
                }
                chain[joint][4 * i + 3] =
                    above ? above[4 * i] * offset[0] + above[4 * i + 1] * offset[1] + above[4 * i + 2] * offset[2] +
                                above[4 * i + 3]
                          : p.translation[3 * b + i];
            }
        }
        __syncthreads();
    }
    if (!active) return;
    const float* bind = p.bind_to_tpose + 9 * joint;
    float* out = p.transforms + (b * JOINTS + joint) * 12;
    for (int i = 0; i < 3; ++i) {
        const float* row = chain[joint] + 4 * i;
        float moved = row[3];
        for (int k = 0; k < 3; ++k) {
            const float value = row[0] * bind[k] + row[1] * bind[3 + k] + row[2] * bind[6 + k];
            out[4 * i + k] = value;
            moved -= value * rest[k];
        }
        out[4 * i + 3] = moved;
        p.joints[(b * JOINTS + joint) * 3 + i] = row[3];
    }
}
HOST_ENTRY_BARRIERS(body_transforms, BodyTransformsParams)

constexpr int BODIES = 8;
constexpr int SHAPES = 32;

struct SkinParams {
    const float* transforms;  // (B, 24, 12), from body_transforms
    const float* betas;       // (B, S)
    const float* mesh;        // (3, V): the mean body in the bind pose, metres
    const float* shape_dirs;  // (S, 3, V): displacement per shape coefficient
    const float* weights;     // (24, V): skinning weights, columns sum to 1
    float* vertices;          // (B, V, 3), metres, camera frame
    int body_count;           // B
    int vertex_count;         // V
    int shape_count;          // S, at most 32
};

// One thread per vertex poses eight bodies, so that the model (some 1.6 MB) is read once per eight bodies; matrices are
// broadcast from shared memory. Neighbouring vertices hang on the same few joints, the others are skipped by whole warps.
extern "C" __global__ void __launch_bounds__(128) skin(SkinParams p) {
    __shared__ float matrices[BODIES][JOINTS * 12];
    __shared__ float shapes[BODIES][SHAPES];
    const int first = blockIdx.y * BODIES, bodies = min(BODIES, p.body_count - first);
    for (int i = threadIdx.x; i < BODIES * JOINTS * 12; i += blockDim.x) {
        const int body = i / (JOINTS * 12);
        matrices[body][i % (JOINTS * 12)] =
            body < bodies ? p.transforms[static_cast<u64>(first) * JOINTS * 12 + i] : 0.0f;
    }
    for (int i = threadIdx.x; i < BODIES * p.shape_count; i += blockDim.x) {
        const int body = i / p.shape_count;
        shapes[body][i % p.shape_count] = body < bodies ? p.betas[first * p.shape_count + i] : 0.0f;
    }
    __syncthreads();
    const int v = blockIdx.x * blockDim.x + threadIdx.x;
    if (v >= p.vertex_count) return;

    float shaped[BODIES][3], posed[BODIES][3];
    for (int k = 0; k < 3; ++k) {
        const float mean = p.mesh[k * p.vertex_count + v];
        for (int body = 0; body < BODIES; ++body) {
            shaped[body][k] = mean;
            posed[body][k] = 0.0f;
        }
    }
#pragma unroll 1
    for (int beta = 0; beta < p.shape_count; ++beta)
        for (int k = 0; k < 3; ++k) {
            const float along = p.shape_dirs[(beta * 3 + k) * p.vertex_count + v];
            for (int body = 0; body < BODIES; ++body) shaped[body][k] += shapes[body][beta] * along;
        }
#pragma unroll 1
    for (int joint = 0; joint < JOINTS; ++joint) {
        const float weight = p.weights[joint * p.vertex_count + v];
        if (weight == 0.0f) continue;
        for (int body = 0; body < BODIES; ++body) {
            const float* m = matrices[body] + 12 * joint;
            const float* s = shaped[body];
            for (int i = 0; i < 3; ++i)
                posed[body][i] += weight * (m[4 * i] * s[0] + m[4 * i + 1] * s[1] + m[4 * i + 2] * s[2] + m[4 * i + 3]);
        }
    }
#pragma unroll
    for (int body = 0; body < BODIES; ++body) {
        if (body >= bodies) break;
        for (int k = 0; k < 3; ++k)
            p.vertices[(static_cast<u64>(first + body) * p.vertex_count + v) * 3 + k] = posed[body][k];
    }
}
HOST_ENTRY_BARRIERS(skin, SkinParams)
