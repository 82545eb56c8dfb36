/** A gate over the tide. */
export function Wordmark() {
  return (
    <span className="inline-flex items-center gap-2">
      <svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true">
        <path d="M3 12V4h14v8M7 4v8M10 4v8M13 4v8" fill="none" stroke="currentColor" strokeWidth="1.5" />
        <path
          d="M1 15.5c1.5-1.6 3-1.6 4.5 0s3 1.6 4.5 0 3-1.6 4.5 0 3 1.6 4.5 0"
          fill="none"
          stroke="var(--accent)"
          strokeWidth="1.8"
        />
      </svg>
      Tidegate
    </span>
  )
}
