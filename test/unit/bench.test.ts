// The benchmark's report: its shape and its words. What it measures is not asserted, only that it is.
import { describe, expect, it } from 'vitest';
import {
  describeMachine,
  inferenceCases,
  inferenceName,
  measureInference,
  measureMemory,
  measurePatch,
  measureTraining,
  trainingCases,
  trainingName,
  type BenchReport,
} from '../../elements/bench/measure.ts';
import { testScene } from '../../elements/bench/data.ts';
import { describeBench } from '../../elements/cli/bench.ts';

const architecture = { scale: 3, channels: 8, layers: 2 };
const frame = { oursMs: 6, onnxruntimeMs: 21, ratio: 3.5 };
const step = { oursMs: 0.5, onnxGraphMs: 4, libtorchMs: null, ratio: 8 };

function report(isa: string, libtorchMs: number | null): BenchReport {
  return {
    machine: {
      cpu: 'a CPU',
      logicalCores: 2,
      isa,
      bestIsa: 'avx512vnni',
      node: '20.19.0',
      threads: 1,
    },
    inference: { 'x3, 640x360': frame },
    trainingStep: { 'x3, 4 windows': { ...step, libtorchMs } },
    patch: {
      encodeMs: 0.1,
      decodeMs: 0.2,
      bytes: 500,
      jpegEncodeMs: 0.03,
      jpegDecodeMs: 0.04,
      jpegBytes: 4000,
    },
    memory: [{ patches: 60, meanMs: 2, worstMs: 3 }],
  };
}

describe('livesr bench', () => {
  it('gives positive times and the ratio of peer to livesr for a frame', async () => {
    const figures = await measureInference({ architecture, width: 40, height: 30 }, 3);
    expect(figures.oursMs).toBeGreaterThan(0);
    expect(figures.onnxruntimeMs).toBeGreaterThan(0);
    expect(figures.ratio).toBeCloseTo(figures.onnxruntimeMs / figures.oursMs, 10);
  });

  it('takes the faster peer for the ratio of a training step', async () => {
    const figures = await measureTraining({ architecture, batch: 2, window: 10 }, 3);
    const peer = Math.min(figures.onnxGraphMs, figures.libtorchMs ?? Infinity);
    expect(figures.oursMs).toBeGreaterThan(0);
    expect(figures.ratio).toBeCloseTo(peer / figures.oursMs, 10);
  });

  it('codes a patch both ways, the residual in fewer bytes', async () => {
    const figures = await measurePatch(1);
    expect(Math.min(figures.encodeMs, figures.decodeMs)).toBeGreaterThan(0);
    expect(figures.bytes).toBeGreaterThan(0);
    expect(figures.bytes).toBeLessThan(figures.jpegBytes / 4);
  });

  it('measures texture memory frame by frame', () => {
    const { frames, shown } = testScene();
    const few = { frames: frames.slice(0, 2), shown: shown.slice(0, 2) };
    const figures = measureMemory(few, 4, 1);
    expect(figures.patches).toBe(4);
    expect(figures.meanMs).toBeGreaterThan(0);
    expect(figures.worstMs).toBeGreaterThanOrEqual(figures.meanMs);
  });

  it('names every case once', () => {
    const names = [...inferenceCases.map(inferenceName), ...trainingCases.map(trainingName)];
    expect(new Set(names).size).toBe(names.length);
    expect(new Set(inferenceCases.map((c) => c.architecture.scale))).toEqual(new Set([2, 3, 4]));
    for (const { architecture: a, width, height } of inferenceCases) {
      expect([width * a.scale, height * a.scale]).toEqual([1920, 1080]);
    }
  });

  it('names the CPU, the path and the frames per second', () => {
    const { cpu, isa } = describeMachine();
    expect(cpu).not.toBe('');
    expect(['reference', 'avx2', 'avx512', 'avx512vnni']).toContain(isa);
    const text = describeBench(report('avx512vnni', 2));
    expect(text).toContain('a CPU, 2 logical cores; kernels: avx512vnni');
    expect(text).toMatch(/x3, 640x360\s+6\.00\s+21\.00\s+3\.50x\s+167/);
    expect(text).toMatch(/x3, 4 windows\s+0\.50\s+4\.00\s+2\.00\s+8\.00x\s+2000/);
    expect(text).toMatch(/60 patches\s+2\.00\s+3\.00/);
    expect(text).not.toContain('libtorch-dev');
    expect(text).not.toContain('LIVESR_ISA');
  });

  it('says what is missing and what is held back', () => {
    const text = describeBench(report('avx2', null));
    expect(text).toContain('install libtorch-dev');
    expect(text).toContain('LIVESR_ISA holds livesr to avx2');
  });
});
