"""Words that cannot be codewords, because texters use them by chance.

Rule of this module: data, in the form that `codeword_forms.normalise` gives. Words may be added: for codewords that were
agreed before, that changes only the order of search. English and Spanish: everyday talk, family, places, the week, and the
subjects of people who text such a line.
"""

from __future__ import annotations

from typing import Final

CARRIER: Final = frozenset(
    "stop stopall unsubscribe cancel end quit revoke optout start unstop yes no help info ayuda alto si ok optin subscribe".split()  # noqa: E501, SIM905
)
"""Words that carriers and phones listen for, whatever the pack says."""

COMMON: Final = frozenset(
    """
    a able about across actually afraid after afternoon again against ago agree ahead alive all allow almost alone along
    already alright also always am amazing an and angry another answer any anybody anyone anything anyway anywhere apart
    apartment apple are area argue arm around as ask asleep at ate attention august aunt away awful
    b baby back bad badly bag bank bathroom be beach beat beautiful became because become bed bedroom been beer before
    began begin behind believe best better between big birthday bit black block blood blue body book boring born boss both
    bother bottle bought bowl box boy boyfriend break breakfast breathe bring broke broken brother brought brown bruise bus
    busy but buy by bye
    c cake call called calling calm came camera can cannot cant car card care careful case cash cat catch caught cell
    chair chance change charge chat cheap check chicken child children choice church city class clean clear clock close
    closed clothes coat coffee cold college come coming computer concert cook cookie cool corner cost could couldnt
    counselor couple court cousin crazy cry crying cup custody cut
    d dad daddy daily damn dance danger dangerous dark date daughter day days dead deal dear december decide deep depressed
    did didnt die died different dinner dirty dish divorce do doctor does doesnt dog doing dollar done dont door down
    dream dress drink drive driving drop drove drugs drunk dry during
    e each ear early easy eat eating either else email emergency empty end enough escape even evening ever every everybody
    everyone everything everywhere exactly except excuse eye eyes
    f face facebook fact fall family far fast father fault favorite fear february feel feeling feelings feet fell felt few
    fight figure fill find fine finger finish fire first fish five fix floor flower follow food foot for forget forgive
    forgot forward found four free fresh friday friend friends from front fun funny further
    g game garage garden gas gave get gets getting gift girl girlfriend give given glad glass go god goes going gone good
    goodbye goodnight google got grab grandma grandpa great green group guess gun guy guys
    h had haha hahaha hair half hand hands happen happened happening happy hard has hate have having he head health hear
    heard heart heaven heavy hello help helped helping her here hers herself hey hi hide high him himself his hit hitting
    hold holiday home homework honest honey hope hospital hot hotel hour hours house how however hug huge hungry hurt
    hurting hurts husband
    i ice idea if ill im important in inside instead into iphone is isnt it its itself ive
    j jail january jealous job joke july june just
    k keep kept key keys kick kid kids kill kind kiss kitchen knew knife know known
    l lady last late later laugh law lawyer learn least leave leaving left leg less let lets letter lie life light like
    line list listen little live living local lock locked lol lonely long look looking lost lot lots loud love loved low
    luck lunch
    m mad made mail make making mall mama man many march market married matter may maybe me meal mean means meat meet
    meeting message met middle might milk mind mine minute minutes miss mom moment monday money month months mood more
    morning most mother mouth move movie moving much mum music must my myself
    n name near neck need needed needs neighbor neighbour neither nervous never new news next nice night nine nobody noise
    none noon normal north nose not note nothing november now number nurse
    o october of off office often oh okay old on once one only open or orange order other others our ours out outside over
    own
    p pack paid pain panic paper parents park part party pass password past pay people perfect person phone photo pick
    picture piece pink pizza place plan plate play please pocket point police poor possible post pray pregnant present
    pretty prison probably problem promise protect proud pull punch push put
    q question quick quickly quiet quite
    r radio rain ran rather read ready real really reason red relax remember rent rest restaurant return rice rich ride
    right ring river road room rude rule run running
    s sad safe safer safety said same sandwich sat saturday save saw say saying says scared scary school scream second see
    seem seen self sell send sense sent september serious seven several sex shame she shelter shirt shit shoe shoes shop
    shopping short should shoulder shouldnt show shower shut sick side sign silly simple since sing single sister sit six
    skin sleep sleeping slow small smart smell smile snow so social some somebody someone something sometimes somewhere
    son song soon sorry sort sound soup south space speak special spend spoke spring stairs stand started stay staying
    still stopped store story straight strange street strong student stuff stupid such suddenly sugar summer sun sunday
    sunshine supper support suppose sure surprise sweet
    t table take taken taking talk talked talking tall taxi tea teacher team tell ten terrible test text texting texts than
    thank thanks that thats the their them then therapist there these they thing things think third this those thought
    threat three threw through throw thursday ticket tie time times tired to today together told tomorrow tonight too took
    top touch towards town toy train travel tree tried trip trouble truck true trust truth try trying tuesday turn tv
    twice two type
    u ugly uncle under understand until up upset us use used usually
    v vacation very video violence violent visit voice
    w wait waiting wake walk walked wall want wanted wants warm was wasnt wash watch watching water way we wear weather
    wednesday week weekend weeks weird welcome well went were west wet what whatever wheel when where which while white who
    whole why wife will wind window wine winter wish with without woke woman women wonder wont word words work working
    world worried worry worse worst would wouldnt wow write wrong wrote
    x y yeah year years yellow yesterday yet you young your yours yourself z zero zoo
    abajo abogado abogada abrazo abre abril abrir abuela abuelo aca adentro adios afuera agosto agua ahi ahora al algo
    alguien alla alli amiga amigo amor ano anoche anos antes apartamento aqui arriba asi asustada atras aun aunque auto
    ayer ayuda ayudame azul
    bano barrio bastante bebe beso bien blanco boca bonito bueno buena buenas buenos buscar
    cabeza cada cafe calle cama cambio caminar carcel carro carta casa casada casi celular cena cerca cerrado chao chica
    chico ciudad claro cocina coche comer comida como con conmigo contigo contra corazon correo correr cosa cosas creo
    cual cuando cuanto cuarto cuenta cuerpo cuidado culpa
    da dale dame dar de debajo debo decir dejame dejar del demasiado dentro deprisa derecha desde despacio despues detras
    dia dias dice dicho diciembre dije dijo dinero dios doctora dolor domingo donde dormir dos duele durante
    ella ellos embarazada emergencia empezar en encima encontrar enero enferma enfrente enojado entonces entrar entre era
    eres es esa escapar escribir escuela ese eso espera esperame espere esposa esposo esta estaba estado estamos estan
    estar estas este esto estoy estuve
    facil falta familia favor febrero feliz fin foto fuera fuerte fui
    gato gente golpe golpea golpeo gracias grande grita gritar gusta
    habla hablar hace hacer hacia hambre hasta hay hermana hermano hice hija hijo hijos hizo hola hombre hora horas hospital
    hotel hoy huir
    iglesia igual importante ir izquierda
    jefe jueves julio junio junto juntos
    la lado largo las le leche lejos les libre libro llama llamada llamame llamar llave llaves llego llegar llevar llorar
    lo loco los luego lugar lunes luz
    madre mal mala malo mama mami manana mano manos maria marido martes marzo mas mayo me medico mejor menos mensaje mes
    mesa mi miedo miercoles mientras minuto minutos mio mira mis mismo momento morir mucha mucho muchas muchos mujer mundo
    musica muy
    nada nadie necesito negro nina nino ninos ningun noche nombre nos nosotros noticias noviembre novia novio nueva nuevo
    numero nunca
    octubre oficina ojos oir oscuro otra otro otros
    padre padres pagar pais palabra papa papi para parar parece parque parte pasa pasado pasar pasa paso pegar pega pego
    peligro peligroso pelo pensar peor pequeno perdon perdona pero perro persona pidio pie piensa pierna plaza poco poder
    policia por porque posible preocupada pregunta prima primero primo pronto propio puede puedes puedo puerta pues
    que quedar queria quien quiere quieres quiero quizas
    rapido rato razon recuerdo refugio rojo ropa
    sabado sabe saber sabes salir salud sangre sano se segura seguro seis semana senor senora sentir septiembre ser si
    siempre siete silencio silla sin sobre sol sola solo somos son soy su sueno suerte sus
    tal tambien tampoco tan tanto tarde te telefono temprano tener tengo tenia texto tia tiempo tienda tiene tienes tio
    toda todas todavia todo todos toma trabajar trabajo tranquila tranquilo tras tres triste tu tus
    un una unas uno unos usted
    va vamos vas veces vecina vecino ven venga venir veo ver verano verdad verde vestido vete vez viaje vida viejo viene
    viernes vino violencia vive vivir vivo volver voy voz
    ya yo zapatos
    """.split()  # noqa: SIM905 - words are easier to read, and to add to, as words
)
