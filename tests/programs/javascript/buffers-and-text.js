const b = Buffer.from('héllo')
console.log(b, b.toString('hex'), b.toString('base64'), Buffer.concat([b, Buffer.alloc(2, 'z')]).length, b.readUInt16BE(0))
console.log(new TextDecoder('utf-16le').decode(new Uint8Array([104, 0])), new TextDecoder().decode(new Uint8Array([0xff, 65])), btoa('x'), atob('eA=='))
try { new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([0xff])) } catch (e) { console.log(e.code) }
console.log(new URL('http://a.b/c?d=1#e').searchParams.get('d'), new URLSearchParams({ q: 'a b' }).toString(), encodeURIComponent('é&'))
const view = new DataView(new ArrayBuffer(8))
view.setFloat64(0, Math.PI)
console.log(view.getUint8(0), new Float16Array([1.1])[0] !== undefined, Buffer.compare(Buffer.from('a'), Buffer.from('b')), new Blob(['abc']).size)
