import type { NextConfig } from 'next'

const nextConfig: NextConfig = {
  // No version of anything is told to strangers.
  poweredByHeader: false,
  reactStrictMode: true,
  // No picture here needs resizing, and the optimiser would be an endpoint that fetches and transforms on request.
  images: { unoptimized: true },
  // A lock file left in a parent folder must not move the root of what is compiled.
  turbopack: { root: import.meta.dirname },
  outputFileTracingRoot: import.meta.dirname,
  // `npm run check` checks types once, over the whole repository, with the same compiler. A second pass inside the
  // build would double the time of the first start and check the tests on every machine that only wants to run.
  // Next leaves a configuration alone that extends another one, so a build never rewrites a tracked file.
  typescript: { ignoreBuildErrors: true, tsconfigPath: 'tsconfig.next.json' },
  devIndicators: false,
  // Development is opened as localhost or as the loopback address.
  allowedDevOrigins: ['127.0.0.1', '[::1]'],
}

export default nextConfig
