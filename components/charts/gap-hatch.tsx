/** The pattern of what is not known. */
export function GapHatch({ id }: { id: string }) {
  return (
    <defs>
      <pattern id={id} width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
        <rect width="6" height="6" fill="var(--sunken)" />
        <path d="M0 0V6" stroke="var(--hairline-strong)" strokeWidth="2" />
      </pattern>
    </defs>
  )
}
