// Training kernels for channels-last float tensors on CPUs: batch norm fused with ReLU, and depthwise convolution.
// PyTorch's own CPU kernels make several passes over memory for these; each function here makes two at most.
#include <torch/extension.h>
#include <ATen/Parallel.h>
#include <vector>

static constexpr double EPS = 1e-5;

static int64_t grain(int64_t rows) { return std::max<int64_t>(1, rows / at::get_num_threads()); }

// x: [rows, C].  Returns y, mean, var; y = relu?(gamma * (x - mean) / sqrt(var + eps) + beta).
std::vector<at::Tensor> bn_forward(at::Tensor x, at::Tensor gamma, at::Tensor beta, bool relu) {
  const int64_t C = gamma.size(0), rows = x.numel() / C;
  auto y = at::empty_like(x);
  auto sum = at::zeros({at::get_num_threads(), 2, C}, x.options());
  const float* px = x.data_ptr<float>();
  float* ps = sum.data_ptr<float>();
  at::parallel_for(0, rows, grain(rows), [&](int64_t b, int64_t e) {
    float* s = ps + at::get_thread_num() * 2 * C;
    float* q = s + C;
    for (int64_t r = b; r < e; r++) {
      const float* p = px + r * C;
#pragma omp simd
      for (int64_t c = 0; c < C; c++) { s[c] += p[c]; q[c] += p[c] * p[c]; }
    }
  });
  auto total = sum.sum(0).to(at::kDouble) / double(rows);
  auto mean = total[0].to(at::kFloat);
  auto var = (total[1] - total[0] * total[0]).clamp_min(0).to(at::kFloat);
  auto scale = gamma * (var + EPS).rsqrt();
  auto shift = beta - mean * scale;
  const float *sc = scale.data_ptr<float>(), *sh = shift.data_ptr<float>();
  float* py = y.data_ptr<float>();
  const float floor = relu ? 0.f : -INFINITY;
  at::parallel_for(0, rows, grain(rows), [&](int64_t b, int64_t e) {
    for (int64_t r = b; r < e; r++) {
      const float* p = px + r * C;
      float* o = py + r * C;
#pragma omp simd
      for (int64_t c = 0; c < C; c++) { float v = p[c] * sc[c] + sh[c]; o[c] = v > floor ? v : floor; }
    }
  });
  return {y, mean, var};
}

std::vector<at::Tensor> bn_backward(at::Tensor dy, at::Tensor x, at::Tensor gamma, at::Tensor beta, at::Tensor mean,
                                    at::Tensor var, bool relu) {
  const int64_t C = gamma.size(0), rows = x.numel() / C;
  auto dx = at::empty_like(x);
  auto rstd = (var + EPS).rsqrt();
  auto scale = gamma * rstd, shift = beta - mean * scale, off = -mean * rstd;
  auto sum = at::zeros({at::get_num_threads(), 2, C}, x.options());
  const float *px = x.data_ptr<float>(), *pd = dy.data_ptr<float>();
  const float *sc = scale.data_ptr<float>(), *sh = shift.data_ptr<float>(), *rs = rstd.data_ptr<float>(), *of = off.data_ptr<float>();
  float* ps = sum.data_ptr<float>();
  const float floor = relu ? 0.f : -INFINITY;
  at::parallel_for(0, rows, grain(rows), [&](int64_t b, int64_t e) {
    float* s = ps + at::get_thread_num() * 2 * C;
    float* q = s + C;
    for (int64_t r = b; r < e; r++) {
      const float *p = px + r * C, *d = pd + r * C;
#pragma omp simd
      for (int64_t c = 0; c < C; c++) {
        float g = p[c] * sc[c] + sh[c] > floor ? d[c] : 0.f;
        s[c] += g; q[c] += g * (p[c] * rs[c] + of[c]);
      }
    }
  });
  auto total = sum.sum(0);
  auto dbeta = total[0].contiguous(), dgamma = total[1].contiguous();
  // dx = scale * (g - mean(g) - xhat * mean(g * xhat))
  auto a = (-dgamma / double(rows) * rstd).contiguous();
  auto b0 = (-dbeta / double(rows) - dgamma / double(rows) * off).contiguous();
  const float *pa = a.data_ptr<float>(), *pb = b0.data_ptr<float>();
  float* po = dx.data_ptr<float>();
  at::parallel_for(0, rows, grain(rows), [&](int64_t b, int64_t e) {
    for (int64_t r = b; r < e; r++) {
      const float *p = px + r * C, *d = pd + r * C;
      float* o = po + r * C;
#pragma omp simd
      for (int64_t c = 0; c < C; c++) {
        float g = p[c] * sc[c] + sh[c] > floor ? d[c] : 0.f;
        o[c] = sc[c] * (g + pa[c] * p[c] + pb[c]);
      }
    }
  });
  return {dx, dgamma, dbeta};
}

// x: [N, H, W, C], w: [k, k, C]; output [N, Ho, Wo, C], padding k/2.
at::Tensor dw_forward(at::Tensor x, at::Tensor w, int64_t stride) {
  const int64_t N = x.size(0), H = x.size(1), W = x.size(2), C = x.size(3), k = w.size(0), p = k / 2;
  const int64_t Ho = (H + 2 * p - k) / stride + 1, Wo = (W + 2 * p - k) / stride + 1;
  auto y = at::zeros({N, Ho, Wo, C}, x.options());
  const float *px = x.data_ptr<float>(), *pw = w.data_ptr<float>();
  float* py = y.data_ptr<float>();
  at::parallel_for(0, N * Ho, 1, [&](int64_t b, int64_t e) {
    for (int64_t t = b; t < e; t++) {
      const int64_t n = t / Ho, i = t % Ho;
      for (int64_t j = 0; j < Wo; j++) {
        float* o = py + (t * Wo + j) * C;
        for (int64_t u = 0; u < k; u++) {
          const int64_t r = i * stride + u - p;
          if (r < 0 || r >= H) continue;
          for (int64_t v = 0; v < k; v++) {
            const int64_t s = j * stride + v - p;
            if (s < 0 || s >= W) continue;
            const float *a = px + ((n * H + r) * W + s) * C, *f = pw + (u * k + v) * C;
#pragma omp simd
            for (int64_t c = 0; c < C; c++) o[c] += a[c] * f[c];
          }
        }
      }
    }
  });
  return y;
}

std::vector<at::Tensor> dw_backward(at::Tensor dy, at::Tensor x, at::Tensor w, int64_t stride) {
  const int64_t N = x.size(0), H = x.size(1), W = x.size(2), C = x.size(3), k = w.size(0), p = k / 2;
  const int64_t Ho = dy.size(1), Wo = dy.size(2);
  auto dx = at::zeros_like(x);
  auto dw = at::zeros({at::get_num_threads(), k, k, C}, x.options());
  const float *px = x.data_ptr<float>(), *pw = w.data_ptr<float>(), *pd = dy.data_ptr<float>();
  float *po = dx.data_ptr<float>(), *pg = dw.data_ptr<float>();
  at::parallel_for(0, N, 1, [&](int64_t b, int64_t e) {
    float* g = pg + at::get_thread_num() * k * k * C;
    for (int64_t n = b; n < e; n++)
      for (int64_t i = 0; i < Ho; i++)
        for (int64_t j = 0; j < Wo; j++) {
          const float* d = pd + ((n * Ho + i) * Wo + j) * C;
          for (int64_t u = 0; u < k; u++) {
            const int64_t r = i * stride + u - p;
            if (r < 0 || r >= H) continue;
            for (int64_t v = 0; v < k; v++) {
              const int64_t s = j * stride + v - p;
              if (s < 0 || s >= W) continue;
              const int64_t at = ((n * H + r) * W + s) * C;
              const float *a = px + at, *f = pw + (u * k + v) * C;
              float *o = po + at, *h = g + (u * k + v) * C;
#pragma omp simd
              for (int64_t c = 0; c < C; c++) { o[c] += d[c] * f[c]; h[c] += d[c] * a[c]; }
            }
          }
        }
  });
  return {dx, dw.sum(0)};
}

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
  m.def("bn_forward", &bn_forward);
  m.def("bn_backward", &bn_backward);
  m.def("dw_forward", &dw_forward);
  m.def("dw_backward", &dw_backward);
}
