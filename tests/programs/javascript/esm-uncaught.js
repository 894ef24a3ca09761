import './thrower.mjs'
