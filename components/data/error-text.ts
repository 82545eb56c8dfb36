import { durationWords } from '@/server/contract/words.ts'
import { ApiError } from './http.ts'

const text = (value: unknown): string | null => (typeof value === 'string' && value ? value : null)

/** What the interface says for an error; looked up by code, with the server's sentence where it knows more. */
export const errorText = (error: unknown): string => {
  if (!(error instanceof ApiError)) return error instanceof Error ? error.message : 'Something went wrong.'
  switch (error.code) {
    case 'ERR_UNREACHABLE':
      return 'The server does not answer. Is it running, and is this machine online?'
    case 'ERR_UNAUTHENTICATED':
      return 'You are signed out.'
    case 'ERR_FORBIDDEN':
      return 'Your role does not allow this.'
    case 'ERR_VERSION_CONFLICT': {
      const by = text(error.facts.by)
      const at = text(error.facts.at)
      return `${by ?? 'Somebody'} changed it first${at ? `, ${durationWords(Date.now() - Date.parse(at))} ago` : ''}. See what it is now, then decide again.`
    }
    case 'ERR_CONFIRM_MISMATCH':
      return 'What you typed is not the id. Nothing was drained.'
    case 'ERR_RATE_LIMITED':
      return `Too many attempts. Try again in ${error.retryAfterSeconds ? durationWords(error.retryAfterSeconds * 1000) : 'a while'}.`
    case 'ERR_STORE_UNAVAILABLE':
      return 'The store cannot be written to at the moment; nothing was changed.'
    case 'ERR_STARTING':
      return 'The server is starting or stopping. Try again in a moment.'
    case 'ERR_NOT_FOUND':
      return error.message || 'It does not exist here.'
    default:
      return error.message
  }
}

/** `facts.problems` of `ERR_INVALID`, as one text per path. */
export const problemsByPath = (error: unknown): Record<string, string> => {
  if (!(error instanceof ApiError) || !Array.isArray(error.facts.problems)) return {}
  const found: Record<string, string> = {}
  for (const problem of error.facts.problems as { path?: unknown; message?: unknown }[]) {
    if (typeof problem.path === 'string' && typeof problem.message === 'string')
      found[problem.path] = problem.message
  }
  return found
}
