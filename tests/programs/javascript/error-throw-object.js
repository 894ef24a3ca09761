throw { code: 17, nested: { list: [1, 2, 3] } }
