export const title = "server"; export async function measure(){return {}} export function report(){return "x"}
