import { QueryClient } from '@tanstack/react-query'
import { ApiError } from './http.ts'

/**
 * How long an unused answer is kept, in ms. On the server nothing is collected: a page is a shell there, and each timer would keep
 * the process alive for minutes after it was asked to stop.
 */
export const keepUnused = (ms: number): number =>
  typeof window === 'undefined' ? Number.POSITIVE_INFINITY : ms

/** One cache a tab. The live socket keeps it fresh, so nothing is refetched only because a window got focus. */
export const createQueryClient = (): QueryClient =>
  new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 15_000,
        gcTime: keepUnused(5 * 60_000),
        refetchOnWindowFocus: false,
        // A refusal will not change by asking again; a fault may.
        retry: (failures, error) => failures < 2 && (!(error instanceof ApiError) || error.status >= 500),
        retryDelay: (attempt) => Math.min(1000 * 2 ** attempt, 8000),
      },
      mutations: { retry: false },
    },
  })
