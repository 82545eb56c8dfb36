/** The pattern of a time in which what happened was announced: quieter than what is not known. */
export function BandHatch({ id }: { id: string }) {
  return (
    <defs>
      <pattern id={id} width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)">
        <path d="M0 0V8" stroke="var(--hairline)" strokeWidth="2" />
      </pattern>
    </defs>
  )
}
