// Crops of pictures that lie on the device: one launch for all people of all cameras.
#include "device.cuh"

constexpr int MOST_TAPS = 16;

struct CropNormalizeParams {
    const long long* pictures;  // (F, 6): address of RGB or luma, address of chroma (0: RGB), width, height, pitch in
                                // bytes of either plane, colour (0: BT.601, 1: BT.709, both of limited range)
    const int* picture_of;      // (B,): the picture of each crop
    const float* affines;       // (B, 6): rows of (2, 3), crop pixels -> picture pixels, corner-based
    void* crops;                // (B, S, S, 3) or (B, 3, S, S), of the type named by `format`
    float scale[3];             // red, green, blue: output = level * scale + bias, levels 0 to 255
    float bias[3];              // likewise
    int size;                   // S, pixels
    int format;                 // 0: uint8 (rounded, clamped), 1: float16, 2: float32
    int planar;                 // 1: (B, 3, S, S), 0: (B, S, S, 3)
};

struct Picture {
    const u8* luma;
    const u8* chroma;
    int width, height;
    long long pitch;
    bool bt709;
};

/// Red, green, blue of a pixel; black outside.
static __device__ __forceinline__ void pixel(const Picture& of, int x, int y, float weight, float (&sum)[3]) {
    if (x < 0 || y < 0 || x >= of.width || y >= of.height) return;
    if (!of.chroma) {
        const u8* at = of.luma + y * of.pitch + 3 * x;
        for (int c = 0; c < 3; ++c) sum[c] += weight * at[c];
        return;
    }
    const u8* pair = of.chroma + (y / 2) * of.pitch + x / 2 * 2;
    const float luma = 1.164384f * (of.luma[y * of.pitch + x] - 16.0f);
    const float blue = pair[0] - 128.0f, red = pair[1] - 128.0f;
    const float r = luma + (of.bt709 ? 1.792741f : 1.596027f) * red;
    const float g = luma - (of.bt709 ? 0.213249f : 0.391762f) * blue - (of.bt709 ? 0.532909f : 0.812968f) * red;
    const float b = luma + (of.bt709 ? 2.112402f : 2.017232f) * blue;
    sum[0] += weight * fminf(fmaxf(r, 0.0f), 255.0f);
    sum[1] += weight * fminf(fmaxf(g, 0.0f), 255.0f);
    sum[2] += weight * fminf(fmaxf(b, 0.0f), 255.0f);
}

// One thread per pixel of a crop. It averages n x n bilinear samples spread evenly over the pixel, n being the number of
// picture pixels that it spans along one side: at n = 2, 4, ... that is the mean of the covered block.
extern "C" __global__ void __launch_bounds__(256) crop_normalize(CropNormalizeParams p) {
    const int column = blockIdx.x * blockDim.x + threadIdx.x, row = blockIdx.y * blockDim.y + threadIdx.y;
    if (column >= p.size || row >= p.size) return;
    const int crop = blockIdx.z;
    const long long* entry = p.pictures + 6 * p.picture_of[crop];
    const Picture from = {reinterpret_cast<const u8*>(entry[0]), reinterpret_cast<const u8*>(entry[1]),
                          static_cast<int>(entry[2]), static_cast<int>(entry[3]), entry[4], entry[5] != 0};
    const float* m = p.affines + 6 * crop;
    const float span = fmaxf(sqrtf(m[0] * m[0] + m[3] * m[3]), sqrtf(m[1] * m[1] + m[4] * m[4]));
    const int taps = static_cast<int>(fminf(fmaxf(ceilf(span - 1e-3f), 1.0f), static_cast<float>(MOST_TAPS)));
    float sum[3] = {0.0f, 0.0f, 0.0f};
    for (int j = 0; j < taps; ++j)
        for (int i = 0; i < taps; ++i) {
            const float u = column + (i + 0.5f) / taps, v = row + (j + 0.5f) / taps;
            const float x = m[0] * u + m[1] * v + m[2] - 0.5f, y = m[3] * u + m[4] * v + m[5] - 0.5f;
            // Farther out there is nothing but black; the bounds keep the casts below within int.
            if (!(x > -1.0f && y > -1.0f && x < from.width && y < from.height)) continue;
            const float left = floorf(x), top = floorf(y);
            const float fx = x - left, fy = y - top;
            const int x0 = static_cast<int>(left), y0 = static_cast<int>(top);
            pixel(from, x0, y0, (1.0f - fx) * (1.0f - fy), sum);
            pixel(from, x0 + 1, y0, fx * (1.0f - fy), sum);
            pixel(from, x0, y0 + 1, (1.0f - fx) * fy, sum);
            pixel(from, x0 + 1, y0 + 1, fx * fy, sum);
        }
    const u64 area = static_cast<u64>(p.size) * p.size, inside = static_cast<u64>(row) * p.size + column;
    for (int c = 0; c < 3; ++c) {
        const float value = sum[c] / (taps * taps) * p.scale[c] + p.bias[c];
        const u64 at = p.planar ? (3 * static_cast<u64>(crop) + c) * area + inside : 3 * (crop * area + inside) + c;
        if (p.format == 0)
            static_cast<u8*>(p.crops)[at] = static_cast<u8>(fminf(fmaxf(rintf(value), 0.0f), 255.0f));
        else if (p.format == 1)
            static_cast<u16*>(p.crops)[at] = half_bits(value);
        else
            static_cast<float*>(p.crops)[at] = value;
    }
}
HOST_ENTRY(crop_normalize, CropNormalizeParams)
