import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  resolve: { alias: { '@/': fileURLToPath(new URL('./', import.meta.url)) } },
  test: {
    include: ['test/**/*.test.{ts,tsx}'],
    environment: 'node',
    // Processes, not threads: embedded nodes start worker threads of their own, and a leaked handle then shows.
    pool: 'forks',
    // More than the cores of a small machine: most of these tests wait for sockets.
    maxWorkers: 5,
    // How long a broken thing is waited for; a machine that is shared must not fail a thing that works.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 15_000 } },
    setupFiles: ['test/patience.ts'],
    restoreMocks: true,
    unstubEnvs: true,
  },
})
