require('./broken')
